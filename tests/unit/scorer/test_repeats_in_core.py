"""Repeats in the scorer's core: the original's answer, and another body under the same id."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.bodies import Bodies
from riskstream.domain.risk.features.owned.repeats import answers_of
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, Batch, ReadResult
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy

POLICY = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)


class _Each:
    """A model that gives the scores it is told, in turn."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array([self.scores.pop(0) for _ in rows], np.float32)


class _Shell:
    """Feeds a core, and keeps its rows."""

    def __init__(self, *scores: float) -> None:
        self.core = ScorerCore(STANDARD, _Each(*scores), POLICY, 64, "EUR")
        self.stored: dict[bytes, bytes] = {}
        self.offset = 0

    def take(
        self, *frames: bytes, mode: int = LIVE, answers: NDArray[np.int64] | None = None
    ) -> list[dict[str, Any]]:
        n = len(frames)
        outcome = process(
            self.core,
            Batch(
                values=list(frames),
                keys=[b"c-1"] * n,
                partitions=np.zeros(n, np.int32),
                offsets=np.arange(self.offset, self.offset + n),
                prevs=np.arange(self.offset, self.offset + n) - 1,
                appended_at=np.full(n, NOW_MS + 10**9),
                modes=np.full(n, mode, np.uint8),
                partition_count=1,
                answers=answers,
            ),
            self._read,
        )
        self.offset += n
        self.rejected = outcome.rejected
        return [codec("score.v1").decode(each) for each in outcome.frames if each is not None]

    def _read(self, keys: dict[int, list[bytes]]) -> ReadResult:
        rows = {
            partition: [self.stored.get(key) for key in mine] for partition, mine in keys.items()
        }
        return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset())

    def restart(self, *scores: float) -> None:
        """Another process, with another model, takes the stored rows over."""
        self.stored |= dict(self.core.take_changed(0))
        self.core = ScorerCore(STANDARD, _Each(*scores), POLICY, 64, "EUR")


def _others(count: int) -> list[bytes]:
    return [frame(transaction_id=f"other-{n}", occurred_at=NOW_MS + n) for n in range(count)]


def test_a_repeat_gets_the_answer_of_its_original_after_other_payments_and_another_model() -> None:
    shell = _Shell(0.95, *[0.1] * 1000)
    first = shell.take(frame())[0]
    for _ in range(20):
        shell.take(*_others(50))
    shell.restart(0.2)
    again = shell.take(frame())[0]
    assert (first["verdict"], first["decision"]) == ("GOOD", "BLOCK")
    assert (again["verdict"], again["decision"], again["score"]) == (
        "DUPLICATE",
        "BLOCK",
        first["score"],
    )


def test_a_repeat_in_the_same_batch_gets_the_answer_of_its_original() -> None:
    scores = _Shell(0.6, 0.1, 0.3, 0.3).take(frame(), frame(transaction_id="t-2"), frame(), frame())
    assert [each["verdict"] for each in scores] == ["GOOD", "GOOD", "DUPLICATE", "DUPLICATE"]
    assert [each["decision"] for each in scores] == ["REVIEW", "APPROVE", "REVIEW", "REVIEW"]
    assert [each["score"] for each in scores[2:]] == [scores[0]["score"]] * 2


def test_a_repeat_of_one_that_the_model_gave_no_number_for_has_none() -> None:
    shell = _Shell(float("nan"), 0.1)
    shell.take(frame())
    [again] = shell.take(frame())
    assert (again["decision"], again["score"], again["flags"]) == ("REVIEW", None, ["no_score"])


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 1001, "base_amount_minor": 1001},
        {"base_amount_minor": 1001},
        {"currency": "USD"},
        {"occurred_at": NOW_MS + 1},
        {"terminal_id": "term-2"},
        {"terminal_id": None},
        {"mcc": None},
        {"mcc": 0},
        {"kind": "REFUND"},
        {"channel": "ECOM"},
        {"account_token": "tok-2"},
        {"device_id": "d-1d-1d-1"},
        {"counterparty_id": "m-1"},
        {"corrects": "t-0"},
        {"country": None},
        {"merchant_id": "m-2"},
    ],
)
def test_the_same_id_with_another_body_is_rejected_with_a_reason_and_changes_nothing(
    change: dict[str, Any],
) -> None:
    shell = _Shell(0.1, 0.1, 0.1)
    shell.take(frame())
    shell.restart(0.1, 0.1)
    row = dict(shell.stored)
    [other] = shell.take(frame(**change))
    assert (other["verdict"], other["reason"], other["decision"]) == ("REJECTED", "id_reused", None)
    assert (other["transaction_id"], other["customer_id"], other["features"]) == ("t-1", "c-1", [])
    assert shell.rejected == [(0, "id_reused")]
    shell.restart(0.1)
    assert shell.stored == row
    assert shell.take(frame())[0]["verdict"] == "DUPLICATE"


def test_the_same_amount_at_other_rates_is_the_same_body() -> None:
    rated = {"currency": "USD", "amount_minor": 1100, "rates_version": "ecb-1"}
    shell = _Shell(0.1, 0.1)
    shell.take(frame(**rated))
    [again] = shell.take(frame(**rated | {"rates_version": "ecb-2", "base_amount_minor": 1010}))
    assert again["verdict"] == "DUPLICATE"


def test_an_id_is_another_customers_own() -> None:
    shell = _Shell(0.1, 0.2)
    shell.take(frame())
    shell.core.decider.next_model = (_Each(0.2), POLICY)
    values = [frame(customer_id="c-2", amount_minor=5)]
    outcome = process(
        shell.core,
        Batch(
            values=list(values),
            keys=[b"c-2"],
            partitions=np.zeros(1, np.int32),
            offsets=np.array([9]),
            prevs=np.array([8]),
            appended_at=np.full(1, NOW_MS),
            modes=np.zeros(1, np.uint8),
            partition_count=1,
        ),
        shell._read,
    )
    assert outcome.rejected == []


def test_what_was_recorded_is_what_a_repeat_is_told_after_a_replay() -> None:
    shell = _Shell(0.1)
    shell.take(
        frame(), mode=REPLAY, answers=answers_of(np.array([3]), np.array([0.75], np.float32))
    )
    [again] = shell.take(frame())
    assert (again["verdict"], again["decision"], again["score"]) == ("DUPLICATE", "BLOCK", 0.75)


@pytest.mark.parametrize("change", [{}, {"mcc": 7995}])
def test_a_repeat_that_was_answered_as_good_without_its_row_is_left_out_on_replay(
    change: dict[str, Any],
) -> None:
    """The state depends on the source alone, whatever an owner that could not read it answered."""
    shell, plain = _Shell(0.1, 0.2), _Shell(0.1, 0.2)
    for each in (shell, plain):
        each.take(frame())
    assert shell.take(frame(**change), mode=REPLAY, answers=np.array([7])) == []
    assert shell.rejected == []
    plain.offset += 1
    [row, expected] = [dict(each.core.take_changed(0))[b"c-1"] for each in (shell, plain)]
    assert row[16:] == expected[16:]  # behind the offset that it is at
    [told, wanted] = [each.take(frame(transaction_id="t-2"))[0] for each in (shell, plain)]
    assert told == wanted


def test_a_field_that_is_null_counts_nothing_and_texts_do_not_run_into_each_other() -> None:
    decoder = ColumnDecoder("transaction.v1")
    bodies = Bodies(decoder.layout)
    changes: list[dict[str, Any]] = [
        {},
        {"transaction_id": "t-9", "customer_id": "c-9"},
        {"merchant_id": None, "terminal_id": "term-1m-1"},
        {"merchant_id": "term-1", "terminal_id": "m-1"},
    ]
    columns = decoder.decode([frame(**change) for change in changes])
    found = bodies.hashes(columns, np.array([True, True, True, True])).tolist()
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert bodies.hashes(columns, np.array([False, True, False, False])).tolist() == [
        0,
        found[0],
        0,
        0,
    ]
