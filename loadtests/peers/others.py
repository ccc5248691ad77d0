"""Peers that live in environments of their own: which of them are installed, and how each is
started.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtests.peers.contender import FAST, LOOP, ONE_BY_ONE, Contender
from loadtests.peers.kafka_streams.build import command as kafka_streams

ROUNDS = 3
"""Of drains and of latency, for the peers that take long."""
NOT_THERE = "its environment is not there: make peers"
EXACTLY_ONCE = "Kafka Streams, exactly once"
AT_LEAST_ONCE = "Kafka Streams, at least once"
QUIX, STREAMS, BYTEWAX, PATHWAY = "quix", "kafka-streams", "bytewax", "pathway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every contender is told, but for its topics and its group (`options.py`)."""

    kafka: str
    model: str
    score_schema_id: int
    review_from: float
    block_from: float

    def command(self, start: list[str]) -> Callable[[str, str, str], list[str]]:
        """`start`, and these options after it."""
        return lambda source, output, group: [
            *start,
            "--kafka",
            self.kafka,
            "--source",
            source,
            "--output",
            output,
            "--group",
            group,
            "--model",
            self.model,
            "--score-schema-id",
            str(self.score_schema_id),
            "--review-from",
            str(self.review_from),
            "--block-from",
            str(self.block_from),
        ]


def installed(task: Task, peers: Path, state: Path) -> tuple[list[Contender], list[str]]:
    """Contenders of the environments in `peers`, and the names of those that are not there. What a
    peer keeps on disk goes below `state`.
    """
    kept = ("--state", str(state))

    def python(name: str, module: str, *more: str) -> list[str]:
        return [str(peers / name / "bin/python"), "-m", f"loadtests.peers.{module}", *more]

    def streams(guarantee: str) -> list[str]:
        return [*kafka_streams(peers / STREAMS), "--guarantee", guarantee, *kept]

    made = {
        QUIX: [Contender(QUIX, ONE_BY_ONE, task.command(python(QUIX, "quix_app")), is_peer=True)],
        STREAMS: [
            _slow(AT_LEAST_ONCE, FAST, task.command(streams("at_least_once"))),
            _slow(EXACTLY_ONCE, FAST, task.command(streams("exactly_once_v2"))),
        ],
        BYTEWAX: [_slow(BYTEWAX, LOOP, task.command(python(BYTEWAX, "bytewax_app", *kept)))],
        PATHWAY: [_slow(PATHWAY, LOOP, task.command(python(PATHWAY, "pathway_app", *kept)))],
    }
    there = [name for name in made if (peers / name / ".ready").exists()]
    return [each for name in there for each in made[name]], [n for n in made if n not in there]


def _slow(name: str, events: int, command: Callable[[str, str, str], list[str]]) -> Contender:
    return Contender(name, events, command, is_peer=True, rounds=ROUNDS)
