"""Corrections in the scorer's core: what a score says of the record that leaves with it, also after
a restart and in a file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame, transaction
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, Batch, ReadResult
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy
from riskstream.workbench.rows.transactions import read_transactions

POLICY = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
COUNT, SUM = STANDARD.names.index("customer_count_30d"), STANDARD.names.index("customer_sum_30d")
NOTHING = (None, None, False)


class _Low:
    """A model that approves everything."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(len(rows), 0.1, np.float32)


class _Shell:
    """Feeds a core, and keeps its rows."""

    def __init__(self) -> None:
        self.core = ScorerCore(STANDARD, _Low(), POLICY, 64, "EUR")
        self.stored: dict[bytes, bytes] = {}
        self.offset = 0
        self.is_away = False

    def take(self, *frames: bytes, mode: int = LIVE) -> list[dict[str, Any]]:
        n = len(frames)
        places = np.arange(self.offset, self.offset + n)
        outcome = process(
            self.core,
            Batch(
                values=list(frames),
                keys=[b"c-1"] * n,
                partitions=np.zeros(n, np.int32),
                offsets=places,
                prevs=places - 1,
                appended_at=np.full(n, NOW_MS + 10**9),
                modes=np.full(n, mode, np.uint8),
                partition_count=1,
            ),
            self._read,
        )
        self.offset += n
        return [codec("score.v1").decode(each) for each in outcome.frames if each is not None]

    def _read(self, keys: dict[int, list[bytes]]) -> ReadResult:
        if self.is_away:
            return ReadResult(rows={}, unreadable=frozenset(keys), abandoned=frozenset())
        rows = {
            partition: [self.stored.get(key) for key in mine] for partition, mine in keys.items()
        }
        return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset())

    def restart(self) -> None:
        """Another process takes the stored rows over."""
        self.stored |= dict(self.core.take_changed(0))
        self.core = ScorerCore(STANDARD, _Low(), POLICY, 64, "EUR")


def _frame(minute: int, amount: int, name: str, corrects: str | None = None, **more: Any) -> bytes:
    return frame(
        transaction_id=name,
        corrects=corrects,
        occurred_at=NOW_MS + minute * 60_000,
        base_amount_minor=amount,
        **more,
    )


def _left(score: dict[str, Any]) -> tuple[int | None, int | None, bool]:
    return score["corrected_at"], score["corrected_amount_minor"], score["corrected_is_refund"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_correction_says_what_leaves_with_it(restarts: bool) -> None:
    shell = _Shell()
    first = shell.take(_frame(0, 100, "x"), _frame(1, 40, "r", kind="REFUND"))
    if restarts:
        shell.restart()
    score, of_refund, repeat, plain = shell.take(
        _frame(2, 90, "c", "x"),
        _frame(3, 30, "d", "r", kind="REFUND"),
        _frame(2, 90, "c", "x"),
        _frame(4, 1, "n"),
    )
    assert [_left(each) for each in first] == [NOTHING, NOTHING]
    assert _left(score) == (NOW_MS, 100, False)
    assert _left(of_refund) == (NOW_MS + 60_000, 40, True)
    assert (_left(repeat), repeat["verdict"], _left(plain)) == (NOTHING, "DUPLICATE", NOTHING)
    assert [(each["features"][COUNT], each["features"][SUM]) for each in (score, plain)] == [
        (1, 90),
        (2, 91),
    ]
    assert not any(each["flags"] for each in (score, of_refund, plain))


def test_an_original_that_comes_late_leaves_with_its_own_score() -> None:
    shell = _Shell()
    correction, original, after = shell.take(
        _frame(2, 90, "c", "x"), _frame(0, 100, "x"), _frame(3, 1, "n")
    )
    assert (correction["flags"], _left(correction)) == (["original_unknown"], NOTHING)
    assert (original["flags"], _left(original)) == ([], (NOW_MS, 100, False))
    assert (after["features"][COUNT], after["features"][SUM]) == (2, 91)


def test_a_replayed_correction_leaves_the_same_state_and_says_nothing() -> None:
    live, replayed = _Shell(), _Shell()
    frames = (
        _frame(0, 100, "x"),
        _frame(1, 90, "c", "x"),
        _frame(2, 80, "d", "y"),
        _frame(0, 70, "y"),
    )
    live.take(*frames)
    assert replayed.take(*frames, mode=REPLAY) == []
    rows = [dict(each.core.take_changed(0))[b"c-1"] for each in (live, replayed)]
    answers = [np.frombuffer(row, np.int64).copy() for row in rows]
    for each in answers:  # a replayed answer is the recorded one, which this test does not give
        each[len(each) - 2 * int(each[4]) + 1 :: 2] &= 0x3F
    np.testing.assert_array_equal(answers[0], answers[1])
    score = live.take(_frame(5, 1, "n"))[0]
    replayed.offset = live.offset - 1
    assert replayed.take(_frame(5, 1, "n"))[0]["features"] == score["features"]


def test_a_file_is_read_as_the_scorer_reads_the_topic(tmp_path: Path) -> None:
    rows = [
        (0, 100, "x", None),
        (1, 90, "c", "x"),
        (2, 80, "d", "y"),
        (2, 70, "y", None),
        (3, 1, "n", None),
    ]
    scores = _Shell().take(*(_frame(*row) for row in rows))
    values = [
        transaction(
            transaction_id=name,
            corrects=corrects,
            occurred_at=NOW_MS + minute * 60_000,
            base_amount_minor=amount,
        )
        for minute, amount, name, corrects in rows
    ]
    names = (
        "transaction_id",
        "customer_id",
        "occurred_at",
        "base_amount_minor",
        "kind",
        "channel",
        "mcc",
        "corrects",
    )
    pq.write_table(
        pa.table({name: [each[name] for each in values] for name in names}),
        tmp_path / "rows.parquet",
    )
    vectors = read_transactions(tmp_path / "rows.parquet").vectors(STANDARD)
    np.testing.assert_array_equal(
        vectors, np.array([each["features"] for each in scores], np.float32)
    )


def test_a_correction_of_a_customer_whose_row_cannot_be_read_guesses_nothing() -> None:
    """The original left by a correction that came before it, which the row alone knows; replayed,
    it looks as if it were there.
    """
    shell = _Shell()
    early, original = _frame(5, 60, "y", "x"), _frame(0, 100, "x")
    said = [_left(score) for score in shell.take(early, original)]
    assert said == [NOTHING, (NOW_MS, 100, False)]
    shell.core, shell.is_away, shell.offset = (
        ScorerCore(STANDARD, _Low(), POLICY, 64, "EUR"),
        True,
        1,
    )
    shell.take(original, mode=REPLAY)
    [again] = shell.take(early)
    assert (_left(again), again["verdict"]) == (NOTHING, "GOOD")
    assert sorted(again["flags"]) == ["cold", "original_unknown"]
