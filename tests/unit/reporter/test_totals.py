"""Control totals: each score and alert counts once, in any rounds, and what expired unseen is
said.
"""

import random

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import counted, score

from riskstream.domain.risk.counted import Counted
from riskstream.domain.risk.customer_risk import whole_after
from riskstream.platform.kafka.record import Record
from riskstream.reporter.totals import KEPT_MS, TOPIC, Alerted, PartitionTotals, Totals
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
        mine.take_scores(rest[:half], until)
        mine.take_scores(rest[half:], until)
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
    alerts = [
        Alerted(offset=at, src=src, occurred_at=START, is_block=src == 3)
        for at, src in enumerate((1, 3, 3, 5))
    ]
    assert [each.src for each in mine.take_alerts(alerts, 4)] == [1, 3]
    assert mine.hours[START // HOUR_MS * HOUR_MS] == [0, 0, 2, 1, 0, 0, 0, 0]
    assert mine.alert_offset == 3
    assert [each.src for each in mine.take_alerts(alerts[3:], 5)] == [5]


def test_what_expired_before_it_was_counted_is_said_and_what_was_counted_is_not() -> None:
    mine = PartitionTotals()
    mine.begin(0, 0, START)
    mine.take_scores(_scores(10, 1), 10)
    mine.caught_up(40, 12)  # with markers behind them
    mine.begin(40, 12, START + HOUR_MS)
    assert not mine.whole_from
    mine.begin(41, 12, START + HOUR_MS)
    assert mine.whole_from == whole_after(START + HOUR_MS)
    assert mine.score_offset == 41


def test_old_hours_are_forgotten_in_the_topic_too() -> None:
    totals = Totals()
    first_score = _scores(1, 1)[0]._replace(src=1, is_good=True)
    totals.of(0).take_scores([first_score], 99)
    first = totals.records()
    later = first_score._replace(src=50, offset=9, occurred_at=START + KEPT_MS + 2 * HOUR_MS)
    totals.of(0).take_scores([later], 99)
    second = totals.records()
    assert [value for _, value in second].count(None) == 1
    restored = _after(_after(Totals(), first), second)
    assert restored.of(0).hours == totals.of(0).hours
    assert len(restored.of(0).hours) == 1
    assert restored.control().sums["HOURLY"] == totals.of(0).hours
