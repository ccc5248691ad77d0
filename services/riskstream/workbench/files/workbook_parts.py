"""The parts of an Excel workbook (.xlsx): its sheets, shared texts, and which styles are dates.

XML is read as a stream by expat, which expands no entity of another file. What a part may take is
bounded: a zip of 1 kB can hold one of 1 GB.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Protocol
from xml.etree import ElementTree
from xml.parsers import expat

from riskstream.runtime.causes import cause
from riskstream.workbench.files.rows import unreadable

BLOCK_BYTES = 1 << 16
_SMALL_BYTES = 1 << 24
"""Most bytes of a part that is read at once: all but sheets and shared texts."""
_TEXT_BYTES = 1 << 27
"""Most bytes of all shared texts, with what Python adds to each."""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Formats of numbers that are dates, by the numbers that Excel has for them."""
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_NO_WORKBOOK = "it is a zip that holds no workbook"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    expat.ExpatError,
    ElementTree.ParseError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What zipfile and the parsers of XML say of damaged files."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What is said of a damaged workbook, as our refusal."""
    try:
        yield
    except _DAMAGED as error:
        if str(error) == _NO_WORKBOOK:
            do = "unpack it; of packed files, gzip, zstd and bzip2 are read"
            raise unreadable(path, _NO_WORKBOOK, do) from error
        raise unreadable(
            path, f"the workbook cannot be read: {cause(error)}", "save it again"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """`sheets`: the part of each by name, in order. `texts`: those that cells share. `dates`: the
    styles whose numbers are dates. `is_1904`: days are counted from 1904 on, as on old Macs.
    """

    sheets: dict[str, str]
    texts: list[str]
    dates: frozenset[int]
    is_1904: bool


def local(tag: str) -> str:
    """The name of an element without its namespace: there are two for the same thing."""
    return tag.rpartition("}")[2].rpartition(" ")[2]


def parts_of(book: zipfile.ZipFile) -> Parts:
    """The parts of a workbook. KeyError, ValueError and errors of zipfile where it is damaged."""
    kinds = {kind: part for _, kind, part in _relations(book, "")}
    main = kinds.get("officeDocument", "xl/workbook.xml")
    if main not in book.NameToInfo:
        raise ValueError(_NO_WORKBOOK)
    tree = _tree(book, main)
    targets = {ident: part for ident, _, part in _relations(book, main)}
    sheets = {}
    for each in tree.iter():
        if local(each.tag) == "sheet":
            ident = next((v for k, v in each.attrib.items() if local(k) == "id"), "")
            if ident in targets:
                sheets[each.attrib.get("name", "")] = targets[ident]
    is_1904 = any(
        local(each.tag) == "workbookPr" and each.attrib.get("date1904") in ("1", "true")
        for each in tree.iter()
    )
    found = {kind: part for _, kind, part in _relations(book, main)}
    return Parts(
        sheets=sheets,
        texts=_texts(book, found.get("sharedStrings", "")),
        dates=_dates(book, found.get("styles", "")),
        is_1904=is_1904,
    )


def unescaped(text: str) -> str:
    """A text without Excel's escapes of what XML cannot hold: `_x000D_` is a carriage return."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code < 0xE000 else chr(code)  # half a character is no text


def _tree(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with book.open(name) as part:
        raw = part.read(_SMALL_BYTES + 1)
    if len(raw) > _SMALL_BYTES:
        raise ValueError(f"its part {name} is too large")
    return ElementTree.fromstring(raw)


def _relations(book: zipfile.ZipFile, name: str) -> Iterator[tuple[str, str, str]]:
    """(id, kind, part) of all that a part refers to."""
    folder = dirname(name)
    file = join(folder, "_rels", f"{name.rpartition('/')[2]}.rels")
    if file not in book.NameToInfo:
        return
    for each in _tree(book, file):
        target = each.attrib.get("Target", "")
        part = target.lstrip("/") if target.startswith("/") else normpath(join(folder, target))
        yield each.attrib.get("Id", ""), each.attrib.get("Type", "").rpartition("/")[2], part


def _dates(book: zipfile.ZipFile, name: str) -> frozenset[int]:
    """The styles whose numbers are dates, by their places."""
    if name not in book.NameToInfo:
        return frozenset()
    codes: dict[int, str] = {}
    formats: list[int] = []
    for each in _tree(book, name).iter():
        kind = local(each.tag)
        if kind == "numFmt":
            codes[int(each.attrib.get("numFmtId", "-1"))] = each.attrib.get("formatCode", "")
        elif kind == "cellXfs":
            formats = [int(one.attrib.get("numFmtId", "0")) for one in each]
    return frozenset(
        at
        for at, each in enumerate(formats)
        if (is_date(codes[each]) if each in codes else each in _DATES)
    )


def is_date(code: str) -> bool:
    """Whether a format's code writes a number as a date or time: it has letters of dates outside
    quotes, and brackets that are no elapsed time.
    """
    bare = re.sub(r'"[^"]*"|\\.|_.|\*.', "", code)
    elapsed = re.search(r"\[[hms]+\]", bare, re.IGNORECASE)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    return bool(elapsed or re.search("[dmyhs]", bare.split(";")[0], re.IGNORECASE))


class Elements(Protocol):
    """Takes the elements of a part, in order; names are `namespace name`."""

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def end(self, name: str, /) -> None: ...

    def data(self, text: str, /) -> None: ...


def parsed(book: zipfile.ZipFile, part: str, elements: Elements) -> Iterator[None]:
    """Give the part to `elements` block by block; what they hold can be looked at after each."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = elements.start
    parser.EndElementHandler = elements.end
    parser.CharacterDataHandler = elements.data
    with book.open(part) as stream:
        while block := stream.read(BLOCK_BYTES):
            parser.Parse(block)
            yield
    parser.Parse(b"", True)
    yield


def _texts(book: zipfile.ZipFile, name: str) -> list[str]:
    if name not in book.NameToInfo:
        return []
    reader = _Texts()
    for _ in parsed(book, name, reader):
        if reader.size > _TEXT_BYTES:
            raise ValueError(f"its texts take more than {_TEXT_BYTES:,} bytes")
    return reader.texts


class _Texts:
    """Takes the shared texts: each `si` holds one, or pieces of one in different fonts."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self._pieces: list[str] = []
        self._is_text = self._is_sound = False

    def start(self, tag: str, _attributes: dict[str, Any]) -> None:
        kind = local(tag)
        self._is_sound |= kind == "rPh"
        self._is_text = kind == "t" and not self._is_sound
        if kind == "si":
            self._pieces = []

    def end(self, tag: str) -> None:
        kind = local(tag)
        self._is_text = False
        if kind == "rPh":
            self._is_sound = False
        elif kind == "si":
            self.texts.append(unescaped("".join(self._pieces)))
            self.size += 60

    def data(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)
            self.size += len(text)
