"""The reader's rule."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from riskstream.platform.kafka.positions import AcceptedReader


def test_the_first_of_each_position_is_accepted() -> None:
    reader = AcceptedReader()
    series = [(0, -1), (1, 0), (0, -1), (1, 0), (2, 1), (2, 1), (3, 2)]
    assert [reader.accept(0, src, prev) for src, prev in series] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert (reader.dropped, reader.gaps) == (3, 0)


def test_a_hole_is_counted_and_the_record_accepted() -> None:
    reader = AcceptedReader()
    assert reader.accept(0, 4, 3)
    assert reader.accept(0, 9, 8)
    assert reader.gaps == 1


def test_a_gap_in_source_offsets_is_no_hole() -> None:
    reader = AcceptedReader()
    assert reader.accept(0, 4, 3)
    assert reader.accept(0, 9, 4)
    assert reader.gaps == 0


def test_partitions_are_apart_and_positions_survive_a_restart() -> None:
    reader = AcceptedReader()
    reader.accept(0, 7, 6)
    reader.accept(1, 3, 2)
    again = AcceptedReader()
    again.resume(0, reader.metadata(0))
    again.resume(1, f"flushed=12;{reader.metadata(1)}")
    again.resume(2, None)
    assert not again.accept(0, 7, 6)
    assert not again.accept(1, 2, 1)
    assert again.accept(1, 4, 3)
    assert again.accept(2, 0, -1)
    assert again.gaps == 0


SERIES = st.lists(st.tuples(st.integers(-2, 9), st.integers(-2, 9)), max_size=12)


@given(st.none() | st.integers(-1, 9), SERIES)
def test_many_at_once_are_judged_as_one_after_the_other(
    last: int | None, series: list[tuple[int, int]]
) -> None:
    before = {} if last is None else {0: last}
    one, many = AcceptedReader(dict(before)), AcceptedReader(dict(before))
    srcs, prevs = (np.array([each[at] for each in series], np.int64) for at in (0, 1))
    found = many.accept_all(0, srcs, prevs).tolist()
    assert found == [one.accept(0, src, prev) for src, prev in series]
    assert (many.last, many.dropped, many.gaps) == (one.last, one.dropped, one.gaps)
