"""The seam between the scorer's two calls: what is asked for, what is changed, and what the fold
does alone.
"""

import numpy as np
from tests.support.builders import NOW_MS, frame
from tests.support.scoring import process

from riskstream.domain.risk.features.owned.repeats import answers_of
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_PROFILES
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, Batch, ReadResult
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.fold import Fold
from riskstream.scorer.models import NO_MODEL


def _batch(values: list[bytes], keys: list[bytes], mode: int = LIVE, first: int = 0) -> Batch:
    n = len(values)
    offsets = np.arange(first, first + n)
    return Batch(
        values=list(values),
        keys=list(keys),
        partitions=np.arange(n, dtype=np.int32) % 2,
        offsets=offsets,
        prevs=offsets - 1,
        appended_at=np.full(n, NOW_MS + 10**9),
        modes=np.full(n, mode, np.uint8),
        partition_count=2,
        answers=answers_of(np.full(n, 3), np.full(n, 0.75, np.float32)),
    )


def _payments(customers: list[str]) -> tuple[list[bytes], list[bytes]]:
    values = [frame(transaction_id=f"t{n}", customer_id=name) for n, name in enumerate(customers)]
    return values, [name.encode() for name in customers]


def test_a_row_is_asked_for_once_in_its_partition_and_nothing_is_changed_before_it_was_read() -> (
    None
):
    fold = Fold(STANDARD, "EUR")
    judged = fold.prepare(_batch(*_payments(["a", "b", "c", "b"])))
    assert judged.rows == {0: [b"a", b"c"], 1: [b"b"]}
    assert [fold.take_changed(partition) for partition in (0, 1)] == [[], []]
    fold.apply(judged, ReadResult.empty(judged.rows))
    assert sorted(key for partition in (0, 1) for key, _ in fold.take_changed(partition)) == [
        b"a",
        b"b",
        b"c",
    ]
    assert fold.prepare(_batch(*_payments(["a", "b"]), first=4)).rows == {}


def test_a_fold_alone_leaves_the_rows_that_a_core_leaves_of_what_was_answered_before() -> None:
    payments = _payments(["a", "b", "a", "d", "a", "b"])
    fold, core = Fold(STANDARD, "EUR"), ScorerCore(STANDARD, *NO_MODEL, 16, "EUR")
    judged = fold.prepare(_batch(*payments, mode=REPLAY))
    fold.apply(judged, ReadResult.empty(judged.rows))
    outcome = process(core, _batch(*payments, mode=REPLAY))
    assert list(outcome.frames) == [None] * 6
    for partition in (0, 1):
        rows = fold.take_changed(partition)
        assert rows
        assert rows == core.take_changed(partition)


def test_profiles_are_asked_for_only_where_a_record_will_be_scored() -> None:
    core = ScorerCore(STANDARD_PROFILES, *NO_MODEL, 16, "EUR")
    values, keys = _payments(["a", "a"])
    live = core.prepare(_batch([values[0], b"poison"], keys))
    assert b":terminal:term-1" in live.profiles
    core.score(live, ReadResult.empty(live.rows), None)
    assert core.prepare(_batch(values, keys, mode=REPLAY, first=2)).profiles == []
