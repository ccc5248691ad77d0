"""Byte strings in one buffer say what the list of them says."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.judge import MAX_KEY_BYTES, Keys

ITEMS = st.lists(st.none() | st.binary(max_size=40), max_size=12)


def _buffers_of(items: Sequence[bytes | None]) -> Joined:
    """As a client fills it: nobody made the items one by one."""
    joined = Joined.of(items)
    return Joined(joined.data.copy(), joined.ends.copy(), joined.nulls.copy())


@given(items=ITEMS)
def test_buffers_and_the_list_they_were_joined_of_are_the_same_items(
    items: list[bytes | None],
) -> None:
    for joined in (Joined.of(items), _buffers_of(items)):
        assert len(joined) == len(items)
        assert [joined[at] for at in range(len(items))] == items
        assert [joined[at - len(items)] for at in range(len(items))] == items
        assert list(joined) == joined.tolist() == items
        assert joined[1:3] == items[1:3]
        assert joined.present() == [each or b"" for each in items]
        assert joined.sizes.tolist() == [len(each or b"") for each in items]
        assert Joined.of(joined) is joined


@given(items=ITEMS, data=st.data())
def test_items_are_left_out_and_made_none(items: list[bytes | None], data: st.DataObject) -> None:
    n = len(items)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    joined = _buffers_of(items)
    kept, but = joined.kept(chosen), joined.but(chosen)
    flags = chosen.tolist()
    assert list(kept) == [each for each, is_it in zip(items, flags, strict=True) if is_it]
    assert list(but) == [None if is_it else each for each, is_it in zip(items, flags, strict=True)]
    assert list(joined) == items


def test_an_item_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        _buffers_of([b"a"])[1]


def test_frames_in_buffers_are_decoded_as_frames_in_a_list_large_ones_and_none_too() -> None:
    decoder = ColumnDecoder("transaction.v1")
    header = b"\0" + decoder.contract.id.to_bytes(4, "big")
    frames = [None, b"", b"\1", header, header + b"\0" * 70_000, header + bytes(60)]
    as_list, as_buffers = decoder.decode(frames), decoder.decode(_buffers_of(frames))
    assert as_list.status.tolist() == as_buffers.status.tolist()
    assert len(set(as_list.status.tolist())) > 3


def test_keys_in_buffers_are_cut_as_keys_in_a_list() -> None:
    keys = [b"c-1", None, b"", b"x" * (MAX_KEY_BYTES + 1)]
    for given_keys in (keys, _buffers_of(keys)):
        found = Keys.of(given_keys)
        assert found.ends.tolist() == [3, 3, 3, 3 + MAX_KEY_BYTES]
        assert found.nulls.tolist() == [0, 1, 0, 0]
