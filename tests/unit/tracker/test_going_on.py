"""A tracker that dies anywhere and loses anything but its topics: each alert once, each score in
its state once.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.support.builders import NOW_MS, alert, score

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.record import Output, Record, one_by_one
from riskstream.platform.telemetry.metrics import TrackerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS, STATE

SCORES = 24


def _scores(repeats: frozenset[int]) -> list[Record]:
    """One partition of scores.v1, with raw repeats as a killed scorer leaves them."""
    srcs = [src for src in range(SCORES) for _ in range(2 if src in repeats else 1)]
    return [
        Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=at,
            key=b"c",
            appended_at=NOW_MS,
            value=codec("score.v1").encode(
                score(
                    src=src,
                    prev=src - 1,
                    transaction_id=f"t-{src}",
                    customer_id=f"c-{src * 7 % 5}",
                    decision="REVIEW" if src % 3 == 0 else "APPROVE",
                    verdict="DUPLICATE" if src % 8 == 5 else "GOOD",
                )
            ),
        )
        for at, src in enumerate(srcs)
    ]


@dataclass
class _Kafka:
    """What is left of a tracker that died: its topics, and the group's commit."""

    topics: dict[str, list[Output]] = field(default_factory=lambda: {ALERTS: [], STATE: []})
    commit: tuple[int, int, str] | None = None
    """(offset, flushed, metadata)."""

    def records(self, topic: str) -> list[Record]:
        return [
            Record(
                topic=topic,
                headers=[],
                partition=0,
                offset=at,
                key=each.key,
                value=each.value,
                appended_at=NOW_MS,
            )
            for at, each in enumerate(self.topics[topic])
        ]

    def compact(self) -> None:
        self.topics[STATE] = list({each.key: each for each in self.topics[STATE]}.values())


def _live(kafka: _Kafka, scores: list[Record], steps: list[tuple[int, bool]]) -> int:
    """One life as the derived lane gives it: (records to take, whether the commit behind them
    flushes); dies at the end.

    Returns the offset that it began at.
    """
    core = TrackerCore(MetricsObserver(TrackerMetrics(CollectorRegistry()), "tracker"))
    core.resume(0, kafka.commit[2] if kafka.commit else None)
    own = list(filter(core.tails[ALERTS], kafka.records(ALERTS)))
    core.restore(0, kafka.records(STATE) + ([] if kafka.commit else own[-3:]))
    began = at = core.start(0, kafka.commit[1] if kafka.commit else None)
    committed, flushed, metadata = kafka.commit[0] if kafka.commit else 0, at, core.metadata(0)
    for count, flush in steps:
        taken = scores[at : at + count]
        if taken:
            outputs = list(one_by_one(core.take(0, taken, committed)))
            at += len(taken)
            if flush or any(each.topic == STATE for each in outputs):
                outputs += list(one_by_one(core.flush(0)))
                flushed, metadata = at, core.metadata(0)
            for each in outputs:
                kafka.topics[each.topic].append(each)
            committed = max(at, committed)
            kafka.commit = (committed, flushed, metadata)
    return began


LATE = Output(
    topic=ALERTS,
    partition=0,
    key=b"c-1",
    value=codec("alert.v1").encode(alert(src=SCORES - 1, kind="late_score", told="APPROVE")),
)
"""A gateway's: it says nothing of how far the tracker is."""
LIVES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=5),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(lives=LIVES, repeats=st.frozensets(st.integers(0, SCORES - 1), max_size=6))
def test_each_alert_is_written_once_and_each_score_counted_once(
    lives: Any, repeats: frozenset[int]
) -> None:
    scores, kafka = _scores(repeats), _Kafka()
    for steps, is_lost, is_compacted in [*lives, ([(len(scores), True)], False, True)]:
        began = _live(kafka, scores, steps)
        assert began == 0 or kafka.topics[STATE], "it begins anew only where there is no state"
        kafka.topics[ALERTS].append(LATE)
        if is_lost:
            kafka.commit = None
        if is_compacted:
            kafka.compact()
    alerts = Counter(
        codec("alert.v1").decode(each.value)["transaction_id"]
        for each in kafka.topics[ALERTS]
        if each is not LATE
    )
    good = [src for src in range(SCORES) if src % 8 != 5]
    assert alerts == Counter(f"t-{src}" for src in good if src % 3 == 0)
    found = {}
    for each in kafka.topics[STATE]:
        state = codec("customer-risk.v1").decode(each.value)
        found[state["customer_id"]] = sum(tile["transactions"] for tile in state["daily"])
        assert state["whole_from"] == 0
    assert found == Counter(f"c-{src * 7 % 5}" for src in good)
