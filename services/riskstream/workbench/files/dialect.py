"""How a CSV file is written, found from its first bytes where nobody says it: encoding, separator,
quotes, names.
"""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskstream.workbench.files.opened import (
    HEAD_BYTES,
    head_of,
    is_encoding,
    marked_encoding,
)
from riskstream.workbench.files.rows import Layout, check_width, unreadable

SEPARATORS = (",", ";", "\t", "|")
_HINT = re.compile(r"sep=([\t -~])(?:\r\n|\r|\n|$)", re.IGNORECASE)
_LOOKED_AT = 200
"""Records by which a separator is told."""
NAMED = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """`skip`: lines before the first record, the one of names among them. `is_spaced`: a space
    follows each separator, and belongs to no value. `quote` "": no character quotes.
    """

    encoding: str
    separator: str
    quote: str
    names: tuple[str, ...]
    skip_bytes: int
    skip_lines: int
    is_spaced: bool


def dialect_of(path: Path, layout: Layout) -> Dialect:
    """What the layout says, the rest found. Fatal where the file is empty, or its names cannot be
    told apart.
    """
    head = head_of(path)
    encoding = _encoding(path, head, layout)
    text = _decoded(head, encoding)
    hint, body = _separator_hint(text)
    quote = {"": '"', "none": ""}.get(layout.quote, layout.quote)
    lines = body if len(head) < HEAD_BYTES else _whole_lines(body)
    if not lines.strip():
        raise unreadable(path, "the file is empty", "give one with a line of column names")
    separator = layout.separator or hint
    if not separator:
        separator = _separator(path, lines, quote, len(layout.columns))
    if layout.columns:
        names, skipped, is_spaced = list(layout.columns), "", False
    else:
        names, skipped = _first_record(path, lines, separator, quote)
        raw = skipped.strip().split(separator)[1:]
        is_spaced = bool(raw) and all(each.startswith(" ") for each in raw)
        if is_spaced:
            names, _ = _first_record(path, lines, separator, quote, is_spaced=True)
        check_width(path, len(names))
        names = [each.strip() for each in names]
    before = text[: len(text) - len(body)] + skipped
    return Dialect(
        encoding=encoding,
        separator=separator,
        quote=quote,
        names=tuple(_told_apart(names)),
        skip_bytes=len(before.encode()),
        skip_lines=len(re.findall(r"\r\n|\r|\n", before)),
        is_spaced=is_spaced,
    )


def first_lines(path: Path, layout: Layout) -> list[str]:
    """Lines at the head of the file, as text."""
    head = head_of(path)
    return _decoded(head, _encoding(path, head, layout)).splitlines()


def _whole_lines(text: str) -> str:
    """The text up to its last line end, all of it where it has none."""
    end = max(text.rfind("\n"), text.rfind("\r")) + 1
    return text[:end] if end else text


def _encoding(path: Path, head: bytes, layout: Layout) -> str:
    marked = marked_encoding(head)[0]
    if not layout.encoding:
        return marked or "utf-8"
    if not is_encoding(layout.encoding):
        raise unreadable(
            path, f"{layout.encoding} is no encoding", "give utf-8, cp1252 or latin-1, say"
        )
    return marked or layout.encoding


def _decoded(head: bytes, encoding: str) -> str:
    """The head as text; a character that its end cuts is left out. What is no text the stream
    says, with its line.
    """
    mark = marked_encoding(head)[1]
    return codecs.getincrementaldecoder(encoding)("replace").decode(head[mark:])


def _separator_hint(text: str) -> tuple[str, str]:
    """What a first line `sep=;` says, as Excel writes and reads it; and the text behind it."""
    found = _HINT.match(text)
    return (found[1], text[found.end() :]) if found else ("", text)


def _separator(path: Path, text: str, quote: str, count: int) -> str:
    """The one by which the records have the most columns, all as many as the first; `count`, where
    the mapping names them. Fatal where two do.
    """
    ranks: dict[str, tuple[bool, float]] = {}
    for separator in SEPARATORS:
        widths = _widths(text, separator, quote)
        if widths and widths[0] > 1 and count in (0, widths[0]):
            alike = sum(width == widths[0] for width in widths) / len(widths)
            ranks[separator] = (alike >= 0.5, alike * widths[0])
    best = [each for each, rank in ranks.items() if rank == max(ranks.values())]
    if len(best) > 1:
        raise unreadable(
            path,
            f"its columns may be separated by {NAMED[best[0]]} or by {NAMED[best[1]]}",
            "say which, `file: {separator: semicolon}` in the mapping",
        )
    return best[0] if best else ","


def _widths(text: str, separator: str, quote: str) -> list[int]:
    """How many columns the first records have; empty where they cannot be told apart so."""
    records = _records(text, separator, quote)
    try:
        return [
            len(record) for record, _ in zip(records, range(_LOOKED_AT), strict=False) if record
        ]
    except csv.Error:
        return []


def _records(text: str, separator: str, quote: str, *, is_spaced: bool = False) -> Any:
    csv.field_size_limit(1 << 24)
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        skipinitialspace=is_spaced,
        quotechar=quote or '"',
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )


def _first_record(
    path: Path, text: str, separator: str, quote: str, *, is_spaced: bool = False
) -> tuple[list[str], str]:
    """The names, and the text up to the record behind them."""
    reader = _records(text, separator, quote, is_spaced=is_spaced)
    try:
        names = next(record for record in reader if record)
    except (StopIteration, csv.Error) as error:
        raise unreadable(
            path, f"its first line cannot be read: {error}", "give one of column names"
        ) from error
    if not any(each.strip() for each in names):
        raise unreadable(path, "its first line names no column", "give one of column names")
    lines = list(io.StringIO(text, newline=""))
    return names, "".join(lines[: reader.line_num])


def _told_apart(names: list[str]) -> list[str]:
    """Names as they are, a second one with its number: `amount`, `amount (2)`; without one `column
    3`.
    """
    seen: dict[str, int] = {}
    out = []
    for at, name in enumerate(names, 1):
        known = name or f"column {at}"
        seen[known] = seen.get(known, 0) + 1
        out.append(known if seen[known] == 1 else f"{known} ({seen[known]})")
    return out
