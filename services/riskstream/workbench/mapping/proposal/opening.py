"""Opens a file that nobody has described: tries other encodings and sheets, and lines below a title
that name its columns.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.dialect import SEPARATORS, first_lines
from riskstream.workbench.files.opened import head_of, wide_encoding
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.plain import as_texts, plain
from riskstream.workbench.mapping.proposal.amounts import AMOUNTS
from riskstream.workbench.mapping.proposal.times import TIMES

_OTHER_ENCODING = "cp1252"
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
    if not _is_table(found.files.names):
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
    if found.files.sheets:
        return None
    lines = [each for each in first_lines(found.files.paths[0], found.layout) if each.strip()]
    for separator in SEPARATORS:
        rows = list(csv.reader(lines[:_TITLES], delimiter=separator))
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
            layout = Layout(encoding=_OTHER_ENCODING)
        elif "holds a NUL" in error.what:
            layout = Layout(encoding=wide_encoding(head_of(files.paths[0])))
        else:
            raise
        return Opened(Files(file, layout), layout)
    return Opened(files, Layout())


def _is_table(names: list[str]) -> bool:
    """Whether an amount or a time is among the names."""
    return any(re.search(f"{AMOUNTS}|{TIMES}", each.lower()) for each in names)


def _below_a_title(found: Opened) -> Opened | None:
    """The file with the names of a line below its first; None where no such line is there."""
    for place, separator, cells in _lines(found):
        known = [each for each in cells if _is_table([each]) or re.search(_OTHERS, each.lower())]
        if len(cells) > 2 and len(known) > 1 and _is_table(cells):
            names = tuple(each.strip() or f"column {at}" for at, each in enumerate(cells, 1))
            layout = replace(found.layout, columns=names, separator=separator)
            return Opened(Files(found.files.given, layout), layout, place)
    return None


def _lines(found: Opened) -> Iterator[tuple[int, str, list[str]]]:
    """(place, separator, cells) of the first lines of a workbook or a CSV file."""
    path = found.files.paths[0]
    if not found.files.sheets:
        for at, line in enumerate(first_lines(path, found.layout)[:_TITLES], 1):
            for separator in SEPARATORS:
                for cells in csv.reader([line], delimiter=separator):
                    yield at, separator, cells
        return
    names = [f"column {at}" for at in range(1, _WIDEST + 1)]
    files = Files(path, replace(found.layout, columns=tuple(names)))
    for rows in files.batches(names):
        columns = [as_texts(plain(each)).to_pylist() for each in rows.batch.columns]
        for place, row in zip(rows.places[:_TITLES], zip(*columns, strict=True), strict=False):
            filled = [at for at, each in enumerate(row, 1) if each]
            yield int(place), "", [each or "" for each in row[: filled[-1] if filled else 0]]
        return
