"""The chaos checker's oracle finds what it is there to find."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from loadtests.chaos.load import make_rows
from loadtests.chaos.oracle import Expected, Left, Oracle, differs
from loadtests.chaos.states import Customer
from tests.support.builders import NOW_MS, counted, score, transaction
from tests.support.customer_state import CustomerState

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.accepted import AcceptedScore, score_of
from riskstream.platform.kafka.record import Record


def _one(n: int, **changes: Any) -> dict[str, Any]:
    return transaction(
        transaction_id=f"t-{n}",
        occurred_at=NOW_MS + n * 60_000,
        base_amount_minor=100 + n,
        **changes,
    )


def _known(found: Expected) -> dict[str, float]:
    """The oracle's vector, which has none of the inputs, by name without the `customer_` before
    it.
    """
    names = [each.name.removeprefix("customer_") for each in STANDARD.features]
    return dict(zip(names, found.features, strict=True))


def _counts(found: Expected) -> list[float]:
    return [_known(found)[f"count_{window}"] for window in ("10m", "1h", "1d", "7d", "30d")]


def test_windows_and_repeats() -> None:
    oracle = Oracle()
    first, second = oracle.apply(_one(0)), oracle.apply(_one(5))
    assert (first.verdict, second.verdict, oracle.apply(_one(5)).verdict) == (
        "GOOD",
        "GOOD",
        "DUPLICATE",
    )
    assert _counts(second) == [2, 2, 2, 2, 2]
    assert _known(second)["sum_10m"] == 205
    assert _known(second)["seconds_since_last"] == 300
    late = oracle.apply(_one(2))
    assert _known(late)["count_10m"] == 2, "it does not see what came after it in time"


def test_a_feature_that_is_off_by_the_least_is_seen() -> None:
    values = [1.0, float("nan"), 2.5]
    assert not differs(values, values)
    assert differs(values, [1.0, float("nan"), float(np.nextafter(np.float32(2.5), np.float32(3)))])
    assert differs(values, [1.0, 0.0, 2.5])


def test_nothing_of_the_oracle_is_the_kernels() -> None:
    for name in ("oracle", "states"):
        text = (Path(__file__).parents[3] / f"loadtests/chaos/{name}.py").read_text()
        assert "riskstream.domain.risk" not in text.replace("domain/risk/features/declare.py", "")


def _said(n: int, corrects: int | None, **changes: Any) -> dict[str, Any]:
    return _one(n, corrects=None if corrects is None else f"t-{corrects}", **changes)


def _left(said: dict[str, Any]) -> Left:
    return Left(
        at=said["occurred_at"], amount=said["base_amount_minor"], is_refund=said["kind"] == "REFUND"
    )


def test_a_correction_takes_the_place_of_its_original() -> None:
    oracle = Oracle()
    first, correction = _said(0, None, kind="REFUND"), _said(5, 0)
    assert oracle.apply(first).left is None
    found = oracle.apply(correction)
    assert (found.left, found.is_original_unknown) == (_left(first), False)
    assert (_counts(found), _known(found)["sum_10m"]) == ([1, 1, 1, 1, 1], 105), (
        "it does not see the original"
    )
    assert np.isnan(_known(found)["seconds_since_last"])
    again = oracle.apply(_said(7, 0))
    assert (again.left, _known(again)["count_10m"]) == (_left(correction), 1), (
        "another one takes the place of the first"
    )
    assert (repeat := oracle.apply(correction)).verdict == "DUPLICATE"
    assert (repeat.left, repeat.is_original_unknown) == (None, False)
    last = oracle.apply(_said(8, 7))
    assert last.left == _left(_said(7, 0))
    assert (oracle.apply(_said(9, 0)).left, _known(oracle.apply(_said(10, None)))["count_10m"]) == (
        _left(_said(8, 7)),
        2,
    )


def test_an_original_that_comes_behind_its_correction_counts_for_itself_alone() -> None:
    oracle = Oracle()
    assert oracle.apply(_said(5, 6)).is_original_unknown
    original = oracle.apply(late := _said(6, None))
    assert (original.left, _known(original)["count_10m"]) == (_left(late), 2)
    assert _known(oracle.apply(_said(7, None)))["count_10m"] == 2
    nobody = oracle.apply(_said(8, 99))
    assert (nobody.left, nobody.is_original_unknown) == (None, True)


def test_a_correction_that_was_corrected_stands_in_every_place_of_it() -> None:
    oracle = Oracle()
    for said in (_said(0, None), _said(1, 0), _said(2, 1)):
        oracle.apply(said)
    assert oracle.apply(_said(3, 0)).left == _left(_said(2, 1))
    oracle.apply(_said(4, 5))
    early = oracle.apply(_said(5, 3))
    assert (early.left, early.is_original_unknown) == (_left(_said(5, 3)), True), (
        "it takes nobody's place"
    )
    assert _known(oracle.apply(_said(6, None)))["count_10m"] == 3


def test_a_mark_is_forgotten_when_ids_are() -> None:
    oracle = Oracle()
    oracle.apply(_said(0, 1))
    oracle.apply(_said(60 * 25 + 60, None))
    late = oracle.apply(_said(1, None))
    assert (late.verdict, late.left) == ("GOOD", None)


def test_the_load_has_corrections_of_every_kind() -> None:
    rows = make_rows(4000, 7)
    said = [
        codec("transaction.v1").decode(value) for value in rows.values if value not in rows.poison
    ]
    first: dict[str, int] = {}
    for at, each in enumerate(said):
        first.setdefault(each["transaction_id"], at)
    corrections = [each for each in said if each["corrects"] is not None]
    assert 20 < len(corrections) < 200
    kinds = Counter(_kind(said, first, each) for each in corrections)
    assert kinds.keys() == {"later", "before", "nobody", "of a refund", "of a correction"}
    assert (
        max(
            Counter(
                each["corrects"] for each in {e["transaction_id"]: e for e in corrections}.values()
            ).values()
        )
        == 2
    )
    assert len({each["transaction_id"] for each in corrections}) < len(corrections), (
        "some are sent again"
    )


def _kind(said: list[dict[str, Any]], first: dict[str, int], correction: dict[str, Any]) -> str:
    at = first.get(correction["corrects"])
    if at is None:
        return "nobody"
    if said[at]["corrects"] is not None:
        return "of a correction"
    if said[at]["kind"] == "REFUND":
        return "of a refund"
    return "before" if at > first[correction["transaction_id"]] else "later"


@given(st.integers(0, 2**32), st.integers(1, 90))
@settings(max_examples=40, deadline=None)
def test_states_are_the_same_by_sums_as_by_folding(seed: int, count: int) -> None:
    rng = random.Random(seed)
    folded, summed = CustomerState(customer_id="c"), Customer(customer_id="c")
    past: list[dict[str, Any]] = []
    for src in range(count):
        gone = past.pop(rng.randrange(len(past))) if past and rng.random() < 0.3 else None
        said = score(
            src=src,
            occurred_at=NOW_MS + rng.randrange(120) * 3_600_000,
            base_amount_minor=rng.randrange(999),
            stage2_score=None,
            kind=rng.choice(["CASH", "REFUND"]),
            decision=rng.choice(["APPROVE", "REVIEW", "BLOCK"]),
            corrected_at=gone and gone["occurred_at"],
            corrected_amount_minor=gone and gone["base_amount_minor"],
            corrected_is_refund=gone is not None and gone["kind"] == "REFUND",
        )
        past.append(said)
        folded.add(counted(said, NOW_MS + src))
        record = Record(
            topic="scores.v1",
            headers=[],
            partition=0,
            offset=src,
            key=b"c",
            value=codec("score.v1").encode(said),
            appended_at=NOW_MS + src,
        )
        summed.scores.append(AcceptedScore(record, score_of(record)))
    assert folded.record(0) == summed.record(0)
