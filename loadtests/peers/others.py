"""Peers that live in environments of their own: which of them are installed, and how each is
started.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtests.peers.contender import FAST, ONE_BY_ONE, Contender
from loadtests.peers.kafka_streams.build import command as kafka_streams

NOT_THERE = "its environment is not there: make peers"
EXACTLY_ONCE = "Kafka Streams, exactly once"
AT_LEAST_ONCE = "Kafka Streams, at least once"
QUIX, STREAMS = "quix", "kafka-streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every contender is told, but for its topics and its group (`options.py`)."""

    kafka: str
    model: str
    score_schema_id: int
    review_from: float
    block_from: float

    def command(self, start: list[str], *more: str) -> Callable[[str, str, str], list[str]]:
        """`start` with these options, and `more` after them."""
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
            *more,
        ]


def installed(task: Task, peers: Path, state: Path) -> tuple[list[Contender], list[str]]:
    """Contenders of the environments in `peers`, and the names of those that are not there. What a
    peer keeps on disk goes below `state`.
    """
    made: dict[str, Callable[[Path], list[Contender]]] = {
        QUIX: lambda folder: [
            Contender(QUIX, ONE_BY_ONE, task.command(_module(folder, "quix_app")), is_peer=True)
        ],
        STREAMS: lambda folder: [
            Contender(
                name,
                FAST,
                task.command(
                    kafka_streams(folder), "--guarantee", guarantee, "--state", str(state)
                ),
                is_peer=True,
            )
            for name, guarantee in (
                (AT_LEAST_ONCE, "at_least_once"),
                (EXACTLY_ONCE, "exactly_once_v2"),
            )
        ],
    }
    out: list[Contender] = []
    missing = []
    for name, make in made.items():
        if (peers / name / ".ready").exists():
            out += make(peers / name)
        else:
            missing.append(name)
    return out, missing


def _module(folder: Path, name: str) -> list[str]:
    return [str(folder / "bin/python"), "-m", f"loadtests.peers.{name}"]
