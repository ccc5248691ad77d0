"""Opens a file that nobody has described: tries other encodings and sheets, and lines below a title
that name its columns.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.dialect import SEPARATORS, first_lines
from riskstream.workbench.files.opened import head_of, is_wide, wide_encoding
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.plain import as_texts, plain
from riskstream.workbench.mapping.proposal.amounts import AMOUNTS
from riskstream.workbench.mapping.proposal.times import TIMES

OTHER_ENCODING = "cp1252"
_TITLES = 20
"""Lines that may stand above the names."""
_WIDEST = 100
"""Columns of a sheet in which names are looked for."""
_OTHERS = r"fraud|betrug|customer|kunde|client|^id$|tra?n?s?x?[ns]?\w*[ _-]?id|account|currency"


class Opened(NamedTuple):
    """A file, how it is written, and the line of its names: 0 where the reader knows it."""

    files: Files
    layout: Layout
    names_at: int = 0


def opened(file: Path) -> Opened:
    """The file in the way in which its columns have names that a mapping knows; else as it is."""
    found = _in_an_encoding(file)
    if _is_table(found.files.names) or not (found.files.sheets or found.files.is_delimited):
        return _with_one_more(found) or found
    for sheet in found.files.sheets or ("",):
        layout = replace(found.layout, sheet=sheet)
        try:
            each = Opened(Files(file, layout), layout)
        except Fatal:
            continue  # a sheet without rows
        if _is_table(each.files.names):
            return each
        if below := _below_a_title(each):
            return below
    return _with_one_more(found) or found


def _with_one_more(found: Opened) -> Opened | None:
    """A CSV file with a name for what is behind the separator at the end of its rows, where the
    line of names ends without one; None where that is not so.
    """
    names = found.files.names
    if not found.files.is_delimited:
        return None
    lines = [each for each in first_lines(found.files.paths[0], found.layout) if each.strip()]
    for separator in SEPARATORS:
        rows = [_cells(line, separator) for line in lines[:_TITLES]]
        is_so = len(rows) > 1 and len(rows[0]) == len(names) > 1
        if is_so and all(len(row) == len(names) + 1 and not row[-1] for row in rows[1:]):
            columns = (*names, f"column {len(names) + 1}")
            layout = replace(found.layout, columns=columns, separator=separator)
            return Opened(Files(found.files.given, layout), layout, 1)
    return None


def _in_an_encoding(file: Path) -> Opened:
    files = Files(file)
    try:
        for _ in files.batches(files.names[:1]):
            break
    except Fatal as error:
        if "is no utf-8" in error.what:
            layout = Layout(encoding=OTHER_ENCODING)
        elif "holds a NUL" in error.what and is_wide(head := head_of(files.paths[0])):
            layout = Layout(encoding=wide_encoding(head))
        else:
            raise
        return Opened(Files(file, layout), layout)
    return Opened(files, Layout())


def _is_table(names: Iterable[str]) -> bool:
    """Whether an amount and a time are among the names."""
    lower = [each.lower() for each in names]
    if len(lower) < 2:
        return False  # a title may have all the words
    return all(any(re.search(pattern, each) for each in lower) for pattern in (AMOUNTS, TIMES))


def _known(names: Iterable[str]) -> int:
    """How many of them are names of a field."""
    return sum(
        re.search(f"{AMOUNTS}|{TIMES}|{_OTHERS}", each.lower()) is not None for each in names
    )


def _below_a_title(found: Opened) -> Opened | None:
    """The file with the names of a line below its first; None where no such line is there."""
    least = max(1, _known(found.files.names))
    for place, separator, cells in _lines(found):
        if place > 1 and len(cells) > 2 and _known(cells) > least:
            names = tuple(each.strip() or f"column {at}" for at, each in enumerate(cells, 1))
            layout = replace(found.layout, columns=names, separator=separator)
            return Opened(Files(found.files.given, layout), layout, place)
    return None


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; none where it is no line of CSV."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _lines(found: Opened) -> Iterator[tuple[int, str, list[str]]]:
    """(place, separator, cells) of the first lines of a workbook or a CSV file."""
    path = found.files.paths[0]
    if not found.files.sheets:
        for at, line in enumerate(first_lines(path, found.layout)[:_TITLES], 1):
            for separator in SEPARATORS:
                yield at, separator, _cells(line, separator)
        return
    names = [f"column {at}" for at in range(1, _WIDEST + 1)]
    files = Files(path, replace(found.layout, columns=tuple(names)))
    for rows in files.batches(names):
        columns = [as_texts(plain(each)).to_pylist() for each in rows.batch.columns]
        for place, row in zip(rows.places[:_TITLES], zip(*columns, strict=True), strict=False):
            filled = [at for at, each in enumerate(row, 1) if each]
            yield int(place), "", [each or "" for each in row[: filled[-1] if filled else 0]]
        return
