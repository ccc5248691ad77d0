"""Control totals: each score and alert counts once, in any rounds, and what expired unseen is
said.
"""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import counted, score
from tests.support.counted import Counted, series

from riskstream.domain.risk.customer_risk import whole_after
from riskstream.domain.risk.hours_kernel import hours_kernel
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.platform.kafka.record import Record
from riskstream.reporter.alerts import Alerts
from riskstream.reporter.core import sums_of_score, sums_taken_out
from riskstream.reporter.totals import KEPT_MS, TOPIC, PartitionTotals, Totals
from riskstream.runtime.durations import HOUR_MS

START = 1_717_200_000_000


def _scores(count: int, seed: int) -> list[Counted]:
    """Scores of a partition with raw repeats among them, as scorers that were killed leave them."""
    rng = random.Random(seed)
    srcs: list[int] = []
    for src in range(count):
        srcs.append(src)
        if rng.random() < 0.2:
            srcs += srcs[-rng.randrange(1, 4) :]
    return [
        counted(
            score(
                src=src,
                verdict="GOOD" if src % 7 else "REJECTED",
                occurred_at=START + src * 600_000,
                base_amount_minor=src,
            ),
            START + at,
            offset=at,
        )
        for at, src in enumerate(srcs)
    ]


def _after(totals: Totals, records: list[tuple[bytes, bytes | None]]) -> Totals:
    """What another reporter knows from the records alone."""
    written = [
        Record(topic=TOPIC, partition=0, offset=at, appended_at=0, key=key, value=value, headers=[])
        for at, (key, value) in enumerate(records)
    ]
    totals.restore(written, 4)
    return totals


@settings(deadline=None)
@given(
    st.integers(1, 60), st.integers(0, 5), st.lists(st.integers(0, 60), max_size=8), st.booleans()
)
def test_each_score_counts_once_however_rounds_cut_it(
    count: int, seed: int, stands: list[int], is_restarted: bool
) -> None:
    scores = _scores(count, seed)
    totals, written = Totals(), Totals()
    for until in [*sorted(stands), count]:
        mine = totals.of(0)
        mine.begin(0, 0, START)
        rest = [each for each in scores if each.offset >= mine.score_offset]
        half = len(rest) // 2
        mine.take_scores(series(rest[:half]), until)
        mine.take_scores(series(rest[half:]), until)
        good = [src for src in range(count) if src <= until and src % 7 != 0]
        assert sum(row[0] for row in mine.hours.values()) == len(good)
        assert sum(row[1] for row in mine.hours.values()) == sum(good)
        assert mine.is_behind == any(each.src > until for each in scores)
        records = totals.records()
        _after(written, records)
        if is_restarted:
            totals, written = written, Totals()
            _after(written, _all(totals))
            assert totals.of(0).hours == mine.hours
    assert not totals.of(0).whole_from


def _all(totals: Totals) -> list[tuple[bytes, bytes | None]]:
    for mine in totals.partitions.values():
        mine.changed, mine.is_moved = set(mine.hours), True
    return totals.records()


def test_alerts_wait_for_the_states_and_count_once() -> None:
    mine = PartitionTotals()
    srcs = np.array([1, 3, 3, 5])
    alerts = Alerts(np.arange(4), srcs, np.full(4, START), srcs == 3, {})
    assert mine.take_alerts(alerts, 4).tolist() == [0, 1]
    assert mine.hours[START // HOUR_MS * HOUR_MS] == [0, 0, 2, 1, 0, 0, 0, 0]
    assert mine.alert_offset == 3
    left = Alerts(np.array([3]), srcs[3:], np.array([START]), np.zeros(1, np.bool_), {})
    assert mine.take_alerts(left, 4).tolist() == []
    assert mine.take_alerts(left, 5).tolist() == [0]


def test_what_expired_before_it_was_counted_is_said_and_what_was_counted_is_not() -> None:
    mine = PartitionTotals()
    mine.begin(0, 0, START)
    mine.take_scores(series(_scores(10, 1)), 10)
    mine.caught_up(40, 12)  # with markers behind them
    mine.begin(40, 12, START + HOUR_MS)
    assert not mine.whole_from
    mine.begin(41, 12, START + HOUR_MS)
    assert mine.whole_from == whole_after(START + HOUR_MS)
    assert mine.score_offset == 41


def test_old_hours_are_forgotten_in_the_topic_too() -> None:
    totals = Totals()
    first_score = _scores(1, 1)[0]._replace(src=1, is_good=True)
    totals.of(0).take_scores(series([first_score]), 99)
    first = totals.records()
    later = first_score._replace(src=50, offset=9, occurred_at=START + KEPT_MS + 2 * HOUR_MS)
    totals.of(0).take_scores(series([later]), 99)
    second = totals.records()
    assert [value for _, value in second].count(None) == 1
    restored = _after(_after(Totals(), first), second)
    assert restored.of(0).hours == totals.of(0).hours
    assert len(restored.of(0).hours) == 1
    assert restored.control().sums["HOURLY"] == totals.of(0).hours


class _OneByOne(PartitionTotals):
    """The oracle: one score after the other, each added up by itself."""

    def take_one_by_one(self, scores: list[Counted], until: int) -> None:
        accepted = AcceptedReader({0: self.position} if self.position >= 0 else {})
        for each in scores:
            self.heard_at = max(self.heard_at, each.appended_at)
            if self.is_behind or each.src > until:
                self.is_behind = True
                continue
            self.is_moved = True
            self.score_offset = each.offset + 1
            if not accepted.accept(0, each.src, each.prev):
                continue
            self.position = each.src
            if each.is_good and each.base_currency == "EUR":
                amount, refund = each.base_amount_minor, each.is_refund
                self._add(each.occurred_at, sums_of_score(amount, is_refund=refund))
                if each.corrected_at is not None:
                    amount, refund = each.corrected_amount_minor, each.corrected_is_refund
                    self._add(each.corrected_at, sums_taken_out(amount, is_refund=refund))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 80), is_known=st.booleans())
def test_totals_are_those_of_one_score_after_the_other(
    seed: int, count: int, is_known: bool
) -> None:
    rng = random.Random(seed)
    kinds = {"kind": ["CASH"] * 3 + ["REFUND"], "base_currency": ["EUR"] * 9 + ["USD"]}
    kinds["verdict"] = ["GOOD"] * 9 + ["REJECTED"]
    scores = []
    for offset in range(count):
        said = score(
            src=rng.randrange(count),
            prev=-1,
            occurred_at=START + rng.randrange(-4, 4) * rng.choice([HOUR_MS, HOUR_MS // 2 + 7]),
            base_amount_minor=rng.choice([0, 5, 10**13, -3]),
            corrected_at=rng.choice([None, None, START, START - 9 * HOUR_MS]),
            corrected_amount_minor=rng.choice([None, 5, 10**13]),
            corrected_is_refund=rng.random() < 0.3,
            **{name: rng.choice(values) for name, values in kinds.items()},
        )
        scores.append(counted(said, START + rng.randrange(99), offset=2 * offset))
    totals, oracle = Totals(), Totals()
    oracle.partitions[0] = wanted = _OneByOne()
    if is_known:
        for mine in (totals.of(0), wanted):
            mine.position, mine.hours = 3, {START // HOUR_MS * HOUR_MS: [1, 5, 0, 0, 0, 0, 2, -9]}
    at = 0
    while at < count:
        until, taken = (
            rng.choice([count, rng.randrange(count)]),
            scores[at : at + rng.choice([1, 5, 40])],
        )
        if rng.random() < 0.3:
            for mine in (totals.of(0), wanted):
                mine.begin(0, 0, START)
        totals.of(0).take_scores(series(taken), until)
        wanted.take_one_by_one(taken, until)
        assert list(totals.of(0).hours.items()) == list(wanted.hours.items())
        for name in ("position", "score_offset", "is_behind", "heard_at", "changed", "is_moved"):
            assert getattr(totals.of(0), name) == getattr(wanted, name), name
        at += len(taken)
        if rng.random() < 0.4:
            assert totals.records() == oracle.records()


def test_scores_without_a_row_of_sums_are_not_added() -> None:
    longs, flags = np.array([5, 6]), np.zeros(2, np.uint8)
    for rows, gone in (([0, 1], [-1, -1]), ([0, -1], [-1, -1]), ([0, 0], [-1, 1])):
        sums = np.zeros((2, 8), np.int64)
        given = (np.array(rows), longs, flags, np.array(gone), longs, flags)
        assert hours_kernel(*given, sums[:1]) == 1
        assert not sums[1].any()
    assert hours_kernel(*given, np.zeros((1, 7), np.int64)) == 0
