"""One look at texts misses no text that may be no id, and knows the lengths of all."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstream.workbench.mapping.looks import looks_of
from riskstream.workbench.mapping.looks_kernel import LONGEST_WORD, NONE_BYTES
from riskstream.workbench.mapping.words import NO_IDS, TOTALS

SHAPES = (
    *(r"[ \t\n\f\r]*", "'.*'", "'[0-9].*", '=".*"', r"\d([.,]\d+)?[eE](\+?\d{2}|\+\d{3})"),
    *(r"-?\d+\.0", r"\d{15,20}0", r"\d{4}-\d\d-\d\d( 00:00:00)?", "[A-Z][a-z]{2}-[0-9]{2}"),
    *(r"\d{1,2}-[A-Z][a-z]{2}", "c[0-9][ \u00a0\u200b\ufeff]", "[ \t]c"),
)
SUSPECT = "|".join([*SHAPES, *map(re.escape, [*NO_IDS, *TOTALS, *map(str.upper, TOTALS)])])


@settings(deadline=None)  # the first call may compile the kernel
@given(st.from_regex(re.compile(SUSPECT, re.ASCII), fullmatch=True))
def test_each_text_that_is_no_id_is_a_suspect(text: str) -> None:
    assert looks_of(pa.array(["c-1", text])).suspects == 1


def test_long_numbers_are_suspects_where_all_end_in_zero() -> None:
    assert looks_of(pa.array(["4532015112830360", "c", "4532015112830370"])).suspects == 2
    assert looks_of(pa.array(["4532015112830360", "4532015112830371"])).suspects == 0


def test_words_for_no_value_are_as_short_as_the_kernel_counts_on() -> None:
    assert max(len(each.encode()) for each in [*NO_IDS, *TOTALS]) <= LONGEST_WORD


@pytest.mark.parametrize(
    "text", ["c-1", "12345", "1e5", "00", "é", "Nathan1", "a.0", "7.00", "1-a", "10", "-50"]
)
def test_ids_are_no_suspects(text: str) -> None:
    assert looks_of(pa.array([text])).suspects == 0


@given(st.lists(st.none() | st.text(max_size=9), max_size=20), st.integers(0, 20))
def test_lengths_are_those_of_the_texts_that_are_there(texts: list[str | None], first: int) -> None:
    found = looks_of(pa.array(texts, pa.string()).slice(first))
    sizes = [len(each.encode()) for each in texts[first:] if each is not None]
    assert found.shortest == min(sizes, default=NONE_BYTES)
    assert found.longest == max(sizes, default=0)
    assert found.suspects >= sum(size == 0 for size in sizes)


def test_what_stands_at_a_null_is_not_looked_at() -> None:
    ends, data = pa.py_buffer(np.array([0, 4, 7], np.int32)), pa.py_buffer(b"NULLc-1")
    column = pa.StringArray.from_buffers(2, ends, data, pa.py_buffer(b"\x02"), 1)
    assert looks_of(column) == (0, 3, 3)
