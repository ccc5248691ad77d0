"""Bounds of columns equal those of records."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import score

from riskstream.domain.contracts.bounds import ColumnBounds, bounds_of, fault_of
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder

LISTS = [each.name for each in bounds_of("score.v1").values() if each.is_array]


def _broken(frames: list[bytes]) -> list[bool]:
    decoder = ColumnDecoder("score.v1")
    found: list[bool] = (
        ColumnBounds("score.v1", decoder.layout).broken(decoder.decode(frames)).tolist()
    )
    return found


def _faulty(frame: bytes) -> bool:
    return bool(fault_of("score.v1", codec("score.v1").decode(frame)))


def _value(name: str, items: int, size: int) -> list[Any]:
    kind = bounds_of("score.v1")[name].kind
    return ["r" * size] * items if kind == "string" else [1 if kind == "long" else 0.5] * items


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_taken_up_to_its_bounds_and_not_past_them(name: str) -> None:
    mine = bounds_of("score.v1")[name]
    items, size = mine.max_items, mine.max_bytes or 0
    assert items is not None
    shapes = [(items, size), (items + 1, 1), (1, size + 1), (0, 0)]
    frames = [codec("score.v1").encode(score(**{name: _value(name, *shape)})) for shape in shapes]
    found = _broken(frames)
    assert found == [_faulty(each) for each in frames]
    assert found[0::3] == [False, False]
    assert found[1]


@settings(max_examples=100, deadline=None)
@given(
    reasons=st.lists(st.text(max_size=300), max_size=12),
    flags=st.lists(st.text(max_size=80), max_size=12),
    customer_id=st.text(max_size=300),
)
def test_columns_break_a_bound_where_their_record_does(
    reasons: list[str], flags: list[str], customer_id: str
) -> None:
    frame = codec("score.v1").encode(score(reasons=reasons, flags=flags, customer_id=customer_id))
    assert _broken([frame]) == [_faulty(frame)]


def test_a_list_in_several_blocks_is_counted_whole() -> None:
    """A writer may cut a list into blocks, and give a block's size before it."""
    whole = codec("score.v1").encode(score(reasons=["a"] * 9))
    blocks = b"".join(b"\x01\x04\x02a" for _ in range(9)) + b"\x00"
    frame = whole.replace(b"\x12" + b"\x02a" * 9 + b"\x00", blocks)
    assert codec("score.v1").decode(frame)["reasons"] == ["a"] * 9
    eight = whole.replace(b"\x12" + b"\x02a" * 9 + b"\x00", blocks[:32] + b"\x00")
    assert _broken([frame, eight]) == [True, False]
