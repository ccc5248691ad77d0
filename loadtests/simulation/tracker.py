"""The tracker in the world: its real core in a derived lane, on scores as a scorer that was killed
now and then writes them.
"""

import zlib
from collections import Counter
from threading import Event
from typing import Any

from prometheus_client import CollectorRegistry

from loadtests.chaos.states import Customer
from loadtests.simulation.plan import GROUP, PARTITIONS, Deed
from loadtests.simulation.world import ADDRESS, Lane, World
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.accepted import AcceptedScore, AcceptedScores
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS, STATE

SCORES = "scores.v1"
METRICS = TrackerMetrics(CollectorRegistry())
BEGAN_MS = 1_717_236_000_000
HOUR_MS = 3_600_000
OF_THE_WRITING = ("position", "score_offset", "ends_flush")
"""Fields of a state that say when it was written, not what it is."""


class Tracker:
    """A Scene. Its source is what a scorer writes: repeats of earlier scores among them."""

    source = SCORES
    outputs: tuple[str, ...] = (ALERTS, STATE)
    topics: tuple[str, ...] = (SCORES, ALERTS, STATE)
    has_transactions = False

    def __init__(self, world: World) -> None:
        self.world = world
        self._written: dict[int, list[dict[str, Any]]] = {
            number: [] for number in range(PARTITIONS)
        }
        self._codec = codec("score.v1")
        self._commit_ms, self._flush_ms = world.rng.choice(((40, 120), (5, 120), (5, 1500)))

    def lane(self, number: int, stop: Event) -> Lane:
        settings = DerivedSettings(
            kafka=ADDRESS,
            group=GROUP,
            source=SCORES,
            instance=str(number),
            commit_ms=self._commit_ms,
            flush_ms=self._flush_ms,
            group_protocol="classic",
            session_timeout_ms=300,
        )
        return DerivedLane(
            settings, TrackerCore(MetricsObserver(METRICS, "tracker")), METRICS, stop
        )

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:
        """A name that came before is the score of before, once more; a scorer that was fenced may
        say another thing in it.
        """
        customer, _, name = text.partition("=")
        written = self._written[partition]
        before = [each for each in written if each["transaction_id"] == name]
        if before and name != "last":
            score = {**before[0], "decision": "BLOCK"}
        else:
            src = written[-1]["src"] + 1 + zlib.crc32(text.encode()) % 2 if written else 0
            score = _score(src, written[-1]["src"] if written else -1, customer, name)
            written.append(score)
        return [(customer.encode(), self._codec.encode(score))]

    def do(self, deed: Deed) -> None:
        group = self.world.kafka.group(GROUP)
        if deed.kind == "lose offsets":
            group.committed.clear()
        elif deed.kind == "compact":
            for log in self.world.kafka.topics[STATE].partitions:
                log.compact()
        elif deed.kind == "twin":
            self.world.twin(deed.who % 3)

    def may_expire(self, topic: str, partition: int) -> int:  # noqa: ARG002
        """Scores are kept for longer than a tracker is behind: what its states hold may go."""
        standing = -1
        for entry in self.world.committed(STATE, partition):
            if entry.value is not None:
                standing = max(
                    standing, codec("customer-risk.v1").decode(entry.value)["score_offset"]
                )
        return standing

    def see_expired(self, topic: str, partition: int, gone: list[Entry]) -> None: ...

    def calm(self) -> None:
        for partition in range(PARTITIONS):
            # the states of others must be written by now
            for key, value in self.records(partition, "c0=last"):
                self.world.kafka.append((SCORES, partition), key, value)

    def held(self) -> list[str]:
        return self.world.waiting_for_schemas()

    def is_settled(self) -> bool:
        return self.world.is_flushed(SCORES)

    def check(self) -> list[str]:
        problems = []
        for partition in range(PARTITIONS):
            accepted = self._accepted(partition)
            problems += self._alerts(partition, accepted)
            problems += self._states(partition, accepted)
        return problems

    def _accepted(self, partition: int) -> list[AcceptedScore]:
        records = (
            Record(
                topic=SCORES,
                partition=partition,
                offset=entry.offset,
                appended_at=entry.appended_at,
                key=entry.key,
                value=entry.value,
                headers=[],
            )
            for entry in self.world.everything(SCORES, partition)
            if not entry.is_giant
        )
        return list(AcceptedScores().each(records))

    def _alerts(self, partition: int, accepted: list[AcceptedScore]) -> list[str]:
        expected = {
            (score.src, score.decision)
            for _, score in accepted
            if score.verdict == "GOOD" and score.decision != "APPROVE"
        }
        alerts = [
            codec("alert.v1").decode(entry.value)
            for entry in self.world.committed(ALERTS, partition)
        ]
        seen = Counter((alert["src"], alert["decision"]) for alert in alerts)
        where = f"partition {partition}"
        return [
            *(
                f"{where}: no alert of src {src} ({what})"
                for src, what in sorted(expected - seen.keys())
            ),
            *(
                f"{where}: an alert of src {src} ({what}) too many"
                for src, what in sorted(seen.keys() - expected)
            ),
            *(
                f"{where}: {count} alerts of src {src}"
                for (src, _), count in sorted(seen.items())
                if count > 1
            ),
        ]

    def _states(self, partition: int, accepted: list[AcceptedScore]) -> list[str]:
        newest = {entry.key: entry for entry in self.world.committed(STATE, partition)}
        states: dict[str, Customer] = {}
        for each in accepted:
            if each.score.verdict == "GOOD":
                name = str(each.score.customer_id)
                states.setdefault(name, Customer(customer_id=name)).scores.append(each)
        problems = []
        for name, state in states.items():
            entry = newest.get(name.encode())
            said = None if entry is None else codec("customer-risk.v1").decode(entry.value)
            expected = state.record(partition)
            if said is not None:
                expected |= {each: said[each] for each in OF_THE_WRITING}
            if said != expected:
                wrong = [each for each in expected if said is None or said[each] != expected[each]]
                problems.append(
                    f"partition {partition}: the state of {name} differs in {', '.join(wrong)}"
                )
        return problems


def _score(src: int, prev: int, customer: str, name: str) -> dict[str, Any]:
    """A score of a payment: what it says follows from its name."""
    number = zlib.crc32(f"{customer}{name}".encode())
    is_rejected = name.startswith("bad")
    at = BEGAN_MS - (number % 40) * HOUR_MS
    score: dict[str, Any] = {
        "src": src,
        "prev": prev,
        "src_appended_at": BEGAN_MS,
        "verdict": "REJECTED" if is_rejected else "GOOD",
        "reason": "bad" if is_rejected else None,
        "reject_rules_version": 1,
        "transaction_id": name,
        "customer_id": customer,
        "occurred_at": at,
        "base_amount_minor": 100 + number % 900,
        "base_currency": "EUR",
        "score": 0.5,
        "decision": ("APPROVE", "REVIEW", "BLOCK")[number % 3],
        "reasons": [],
        "flags": [],
        "model_version": "m",
        "feature_set": "standard.v2",
        "features": [],
        "profiles": [],
        "release_id": None,
        "rules_version": None,
        "rules": [],
        "stage2_score": None,
        "kind": "REFUND" if number % 7 == 0 else "PURCHASE",
    }
    if is_rejected:
        nulls = (
            "transaction_id",
            "customer_id",
            "occurred_at",
            "base_amount_minor",
            "base_currency",
            "score",
            "decision",
        )
        score |= dict.fromkeys((*nulls, "model_version", "feature_set"), None)
    return score
