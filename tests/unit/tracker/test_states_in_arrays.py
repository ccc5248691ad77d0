"""The tracker's states in arrays are those of an oracle that takes one score after the other."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import NOW_MS, counted, score
from tests.support.customer_state import CustomerState

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import symbols_of
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.customer_risk import Standing, whole_after
from riskstream.domain.risk.customers import table
from riskstream.platform.kafka.record import (
    Output,
    Record,
    RecordParts,
    Records,
    one_by_one,
)
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import ALERTS, DECISIONS, STATE

NAMES = ("c-1", "c-10", "b", "", "b\0", "ü" * 9, "c" * 200)
Written = tuple[str, bytes, bytes]
"""Topic, key and value."""


@dataclass
class _Seen:
    """An observer that keeps what it is told."""

    counts: Counter[str] = field(default_factory=Counter)
    shown: dict[str, float] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        self.counts[f"{name}{sorted(labels.items())}"] += by

    def show(self, name: str, value: float, **labels: str) -> None:
        assert not labels
        self.shown[name] = value

    def report(self, event: str, **fields: Any) -> None:
        self.reports.append({"event": event, **fields})


class _Oracle:
    """A partition's states, alerts and counts, one score after the other."""

    def __init__(self) -> None:
        self.states: dict[str, CustomerState] = {}
        self.changed: set[str] = set()
        self.standing = Standing()
        self.seen = _Seen()
        self.last = -1

    def take(self, records: list[Record], committed: int, alerted: int) -> list[Written]:
        out: list[Written] = []
        counts = self.seen.counts
        for record in records:
            said = codec("score.v1").decode(record.value)
            src, prev = said["src"], said["prev"]
            if self.last >= 0 and src <= self.last:
                counts["dropped[]"] += 1
                continue
            if prev != self.last:
                self._hole(said)
            counts["scores[]"] += 1
            self.last = src
            is_good = said["verdict"] == "GOOD"
            if is_good and said["base_currency"] != "EUR":
                counts["other_currency[]"] += 1
            elif is_good:
                out += self._apply(
                    record, said, is_silent=record.offset < committed or src <= alerted
                )
            self.standing = replace(self.standing, position=src, score_offset=record.offset + 1)
        return out

    def _hole(self, said: dict[str, Any]) -> None:
        whole_from = self.standing.whole_from
        if said["prev"] > self.last:
            whole_from = max(whole_from, whole_after(said["src_appended_at"]))
            self.standing = replace(self.standing, whole_from=whole_from)
        self.seen.counts["gaps[]"] += 1
        found = {each: said[each] for each in ("src", "prev")}
        self.seen.report(
            "scores are missing before this one",
            partition=0,
            last=self.last,
            whole_from=whole_from,
            **found,
        )

    def _apply(self, record: Record, said: dict[str, Any], *, is_silent: bool) -> list[Written]:
        nulls = {"customer_id": "", "occurred_at": 0, "base_amount_minor": 0, "score": 1.0}
        said |= {name: value for name, value in nulls.items() if said[name] is None}
        name, out = said["customer_id"], list[Written]()
        state = self.states.setdefault(name, CustomerState(customer_id=name))
        if name in self.changed and state.evicts(said["occurred_at"]):
            out.append(self._written(state, ends_flush=False))
        state.add(counted(said, record.appended_at))
        self.changed.add(name)
        if said["decision"] != "APPROVE" and not is_silent:
            self.seen.counts[f"alerts[('decision', '{said['decision'].lower()}')]"] += 1
            same = (
                "transaction_id",
                "customer_id",
                "score",
                "decision",
                "reasons",
                "base_amount_minor",
                "base_currency",
                "occurred_at",
                "src",
                "model_version",
            )
            alert = {each: said[each] for each in same}
            alert |= {"alert_id": f"transactions.v1-0-{said['src']}", "kind": "score"}
            alert |= {"src_partition": 0, "raised_at": record.appended_at}
            out.append((ALERTS, name.encode(), codec("alert.v1").encode(alert)))
        return out

    def _written(self, state: CustomerState, *, ends_flush: bool) -> Written:
        said = state.record(0, self.standing, ends_flush=ends_flush)
        return STATE, state.customer_id.encode(), codec(STATE).encode(said)

    def flush(self) -> list[Written]:
        names = sorted(self.changed)
        self.changed.clear()
        return [self._written(self.states[name], ends_flush=name == names[-1]) for name in names]

    def begin_anew(self, topic: list[Written]) -> None:
        """As after a restart: what the records say."""
        self.standing = Standing()
        for _, _, value in topic:
            self.standing = self.standing.later(codec(STATE).decode(value))
        self.states = {
            name: CustomerState.of(state.record(0)) for name, state in self.states.items()
        }


def _history(rng: random.Random, count: int) -> list[Record]:
    """Scores of a partition with repeats, holes, and what a foreign scorer may write."""
    step = rng.choice([HOUR_MS // 2, HOUR_MS, DAY_MS])
    names = rng.sample(NAMES, rng.randint(1, len(NAMES)))
    base = rng.choice([NOW_MS, 0])
    written: list[dict[str, Any]] = []
    for at in range(count):
        src = (written[-1]["src"] if written else -1) + rng.choice([1, 1, 1, 1, 2])
        prev = src - 1 if rng.random() < 0.03 else written[-1]["src"] if written else -1
        when = base + (at // 2 + rng.randint(-60, 3) * (rng.random() < 0.3)) * step
        said = score(
            src=src,
            prev=prev,
            src_appended_at=NOW_MS + at * HOUR_MS,
            transaction_id=f"t-{at}",
            customer_id=rng.choice(names),
            occurred_at=when + rng.randint(0, 999),
            base_amount_minor=rng.choice([0, 7, 10**13, rng.randrange(10**6)]),
            score=rng.choice([None, 0.1, 0.75]),
            decision=rng.choice(["APPROVE"] * 6 + ["REVIEW", "BLOCK", "UNKNOWN"]),
            verdict=rng.choice(["GOOD"] * 12 + ["DUPLICATE"]),
            base_currency=rng.choice(["EUR"] * 20 + ["JPY"]),
            kind=rng.choice(["CASH", "REFUND"]),
            reasons=["A", "B"][: rng.randint(0, 2)],
        )
        if rng.random() < 0.2:
            of = rng.choice([said, *written[-9:]])
            said |= {
                "corrected_at": of["occurred_at"],
                "corrected_amount_minor": rng.choice([of["base_amount_minor"], 10**6, None]),
                "corrected_is_refund": of["kind"] == "REFUND",
            }
        if rng.random() < 0.03:
            said[rng.choice(["customer_id", "occurred_at", "base_amount_minor"])] = None
        if rng.random() < 0.05 and written:
            said = rng.choice(written[-5:])
        written.append(said)
        if said["src"] < src:
            written[-1], written[-2:-1] = written[-2], [said]
    return [
        Record(
            topic="scores.v1",
            partition=0,
            offset=3 + 2 * at,
            appended_at=NOW_MS + at,
            key=b"c",
            value=codec("score.v1").encode(each),
            headers=[],
        )
        for at, each in enumerate(written)
    ]


def _written(outputs: list[Output]) -> list[Written]:
    assert {each.partition for each in outputs} <= {0}
    return [(each.topic, each.key, each.value) for each in outputs]


def _core(
    states: list[Written], metadata: str | None, rng: random.Random
) -> tuple[TrackerCore, _Seen]:
    """A core that begins with the states written so far, compacted or not."""
    seen = _Seen()
    core = TrackerCore(seen)
    core.resume(0, metadata)
    newest = {key: value for _, key, value in states}
    kept = list(newest.items()) if rng.random() < 0.5 else [each[1:] for each in states]
    records = [
        Record(
            topic=STATE,
            partition=0,
            offset=at,
            appended_at=NOW_MS,
            key=key,
            value=value,
            headers=[],
        )
        for at, (key, value) in enumerate(kept)
    ]
    given = RecordParts.of(records) if rng.random() < 0.5 else _in_parts(records, rng)
    for part in given.parts[: rng.randint(0, len(given.parts))]:
        core.foresee(0, part)
    core.restore(0, given)
    return core, seen


def _in_parts(records: list[Record], rng: random.Random) -> RecordParts:
    """As a lane gives them: joined, in parts."""
    parts, at = [], 0
    while at < len(records):
        part = Records.of(records[at : at + rng.choice([1, 3, 50])])
        at += len(part)
        joined = Joined.of(part.keys), Joined.of(part.values)
        parts.append(replace(part, keys=joined[0], values=joined[1]))
    return RecordParts(tuple(parts))


@pytest.mark.parametrize("places", [2, table.EARLY_STATES])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 260))
def test_outputs_are_those_of_one_score_after_the_other(seed: int, count: int, places: int) -> None:
    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "EARLY_STATES", places)
        oracle, topic = _Oracle(), list[Written]()
        core, seen = _core([], None, rng)
        core.start(0, None)
        records, at = _history(rng, count), 0
        while at < len(records):
            taken = records[at : at + rng.choice([1, 5, 40, 100])]
            at += len(taken)
            committed = rng.choice([0, taken[len(taken) // 2].offset])
            given = Records.of(taken) if rng.random() < 0.5 else taken
            made = _written(list(one_by_one(core.take(0, given, committed))))
            wanted = oracle.take(taken, committed, alerted=-1)
            for topic_name in (STATE, ALERTS):  # of each topic in order
                mine = [each for each in made if each[0] == topic_name]
                assert mine == [each for each in wanted if each[0] == topic_name]
            topic += [each for each in made if each[0] == STATE]
            if rng.random() < 0.5 or at == len(records):
                made = _written(list(one_by_one(core.flush(0))))
                assert made == oracle.flush()
                topic += made
                assert seen.shown["customers"] == len(oracle.states)
                assert seen.shown["whole_from"] == oracle.standing.whole_from / 1000
                if topic and rng.random() < 0.3:
                    core, again = _core(topic, core.metadata(0), rng)
                    assert core.start(0, taken[-1].offset + 1) == taken[-1].offset + 1
                    assert again.shown["customers"] == len(oracle.states)
                    again.counts, again.reports = seen.counts, seen.reports
                    seen = again
                    oracle.begin_anew(topic)
    assert +seen.counts == +oracle.seen.counts
    assert seen.reports == oracle.seen.reports


def test_scores_and_states_have_the_same_codes_of_decisions() -> None:
    assert tuple(DECISIONS) == tuple(symbols_of("score.v1", "decision"))
