"""The parts of an Excel workbook (.xlsx): its sheets, shared texts, and which styles are dates.

XML is read as a stream by expat; types of its own (DOCTYPE) no part may declare. What a part may
take is bounded, as a zip of 1 kB can hold one of 1 GB.
"""

import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Protocol
from xml.parsers import expat

from riskstream.runtime.causes import cause
from riskstream.workbench.files.rows import unreadable

BLOCK_BYTES = 1 << 16
_SMALL_BYTES = 1 << 24
"""Most bytes of a part that is no sheet and holds no shared texts."""
TEXT_BYTES = 1 << 20
"""Most bytes of a cell, and of one element with its attributes."""
IDLE_BYTES = 1 << 24
"""Most bytes of a sheet without a row, and of shared texts without one: what stands behind the rows
is smaller.
"""
_ALL_TEXT_BYTES = 3 << 25
"""Most bytes of all shared texts."""
_NAMES, _DEPTH, _LISTED = 1000, 100, 1 << 17
"""Most names of elements and attributes in a part, elements within each other, and sheets, styles
and relations.
"""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Formats of numbers that are dates, by the numbers that Excel has for them."""
_TRUE = ("1", "true")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_NO_WORKBOOK = "it is a zip that holds no workbook"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    expat.ExpatError,
    EOFError,
    LookupError,
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
    """`sheets`: the part of each by name, in order, those that are hidden last. `texts`: those that
    cells share. `dates`: the styles whose numbers are dates; `zeros`: how many digits a style fills
    up with zeros. `is_1904`: days are counted from 1904 on, as on old Macs. `is_stale`: formulas
    are to be computed when the book is opened, as nobody has computed them.
    """

    sheets: dict[str, str]
    texts: "SharedTexts"
    dates: frozenset[int]
    zeros: dict[int, int]
    is_1904: bool
    is_stale: bool


def local(tag: str) -> str:
    """The name of an element without its namespace: there are two for the same thing."""
    return tag.rpartition("}")[2].rpartition(" ")[2]


def parts_of(book: zipfile.ZipFile) -> Parts:
    """The parts of a workbook. KeyError, ValueError and errors of zipfile where it is damaged."""
    kinds = {kind: part for _, kind, part in _relations(book, "")}
    main = kinds.get("officeDocument", "xl/workbook.xml")
    if main not in book.NameToInfo:
        raise ValueError(_NO_WORKBOOK)
    relations = list(_relations(book, main))
    targets = {ident: part for ident, _, part in relations}
    sheets, hidden = dict[str, str](), dict[str, str]()
    is_1904 = is_stale = False
    for _, kind, values in _listed(book, main, ("sheet", "workbookPr", "calcPr")):
        if kind != "sheet":
            is_1904 |= values.get("date1904") in _TRUE
            is_stale |= values.get("fullCalcOnLoad") in _TRUE
            continue
        ident = next((value for name, value in values.items() if local(name) == "id"), "")
        if ident in targets:
            into = sheets if values.get("state", "visible") == "visible" else hidden
            into[values.get("name", "")] = targets[ident]
    found = {kind: part for _, kind, part in relations}
    dates, zeros = _styles(book, found.get("styles", ""))
    return Parts(
        sheets=sheets | hidden,
        texts=_texts(book, found.get("sharedStrings", "")),
        dates=dates,
        zeros=zeros,
        is_1904=is_1904,
        is_stale=is_stale,
    )


def unescaped(text: str) -> str:
    """A text without Excel's escapes of what XML cannot hold: `_x000D_` is a carriage return."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code < 0xE000 else chr(code)  # half a character is no text


def _relations(book: zipfile.ZipFile, name: str) -> Iterator[tuple[str, str, str]]:
    """(id, kind, part) of all that a part refers to."""
    folder = dirname(name)
    file = join(folder, "_rels", f"{name.rpartition('/')[2]}.rels")
    if file not in book.NameToInfo:
        return
    for _, _, values in _listed(book, file, ("Relationship",)):
        target = values.get("Target", "")
        part = target.lstrip("/") if target.startswith("/") else normpath(join(folder, target))
        yield values.get("Id", ""), values.get("Type", "").rpartition("/")[2], part


def _styles(book: zipfile.ZipFile, name: str) -> tuple[frozenset[int], dict[int, int]]:
    """By their places, the styles whose numbers are dates, and digits of those that fill numbers up
    with zeros: 0000 has four.
    """
    if name not in book.NameToInfo:
        return frozenset(), {}
    codes: dict[int, str] = {}
    formats: list[int] = []
    for within, kind, values in _listed(book, name, ("numFmt", "xf")):
        if kind == "numFmt":
            codes[int(values.get("numFmtId", "-1"))] = values.get("formatCode", "")
        elif within == "cellXfs":
            formats.append(int(values.get("numFmtId", "0")))
    dates = frozenset(
        at
        for at, each in enumerate(formats)
        if (is_date(codes[each]) if each in codes else each in _DATES)
    )
    filled = ((at, codes.get(each, "")) for at, each in enumerate(formats))
    return dates, {at: len(code) for at, code in filled if re.fullmatch("0{2,40}", code)}


def is_date(code: str) -> bool:
    """Whether a format's code writes a number as a date or time: it has letters of dates outside
    quotes, and brackets that are no elapsed time.
    """
    bare = re.sub(r'"[^"]*"|\\.|_.|\*.', "", code)
    elapsed = re.search(r"\[[hms]+\]", bare, re.IGNORECASE)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    return bool(elapsed or re.search("[dmyhs]", bare.split(";")[0], re.IGNORECASE))


class Elements(Protocol):
    """Takes the elements of a part, in order; names are `namespace name`. `depth`: how many are
    open.
    """

    @property
    def depth(self) -> int: ...

    def start(self, name: str, attributes: dict[str, str], /) -> None: ...

    def end(self, name: str, /) -> None: ...

    def data(self, text: str, /) -> None: ...


def parsed(
    book: zipfile.ZipFile, part: str, elements: Elements, most: int | None = None
) -> Iterator[None]:
    """Give the part to `elements` block by block; what they hold can be looked at after each.
    ValueError where it has too much of something: expat keeps each name and each open element.
    """
    names: dict[str, str] = {}
    parser = expat.ParserCreate(namespace_separator=" ", intern=names)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_types
    parser.StartNamespaceDeclHandler = _pass  # so that these names are counted too
    parser.StartElementHandler = elements.start
    parser.EndElementHandler = elements.end
    parser.CharacterDataHandler = elements.data
    with book.open(part) as stream:
        given = 0
        while block := stream.read(BLOCK_BYTES):
            parser.Parse(block)
            given += len(block)
            if most is not None and given > most:
                raise ValueError(f"{part} takes more than {most:,} bytes")
            if given - parser.CurrentByteIndex > TEXT_BYTES:
                raise ValueError(f"an element of {part} takes more than {TEXT_BYTES:,} bytes")
            if len(names) > _NAMES:
                raise ValueError(f"{part} has more than {_NAMES:,} names of elements")
            if elements.depth > _DEPTH:
                raise ValueError(f"{part} is nested too deep")
            yield
    parser.Parse(b"", True)
    yield


def _refuse_types(*_: Any) -> None:
    raise ValueError("a part declares types of its own (DOCTYPE)")


def _pass(*_: Any) -> None:
    """Takes nothing."""


def _listed(
    book: zipfile.ZipFile, name: str, kinds: Collection[str]
) -> list[tuple[str, str, dict[str, str]]]:
    """(kind of the element around it, kind, attributes) of each element of these kinds."""
    reader = _Listed(kinds)
    for _ in parsed(book, name, reader, _SMALL_BYTES):
        if len(reader.found) > _LISTED:
            raise ValueError(f"its part {name} is too large")
    return reader.found


class _Listed:
    """Takes the elements of some kinds."""

    def __init__(self, kinds: Collection[str]) -> None:
        self.found: list[tuple[str, str, dict[str, str]]] = []
        self._kinds = kinds
        self._open = [""]

    @property
    def depth(self) -> int:
        return len(self._open)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        kind = local(tag)
        if kind in self._kinds:
            self.found.append((self._open[-1], kind, attributes))
        self._open.append(kind)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def data(self, _text: str) -> None:
        """Texts are passed by."""


class SharedTexts:
    """Texts by their number, in one buffer: as texts of Python they would take three times as
    much.
    """

    def __init__(self) -> None:
        self._raw, self._ends = bytearray(), array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> str:
        return self._raw[self._ends[at] : self._ends[at + 1]].decode()

    def add(self, text: str) -> None:
        """The next text. ValueError where all take too much."""
        self._raw += text.encode()
        self._ends.append(len(self._raw))
        if len(self._raw) + 8 * len(self._ends) > _ALL_TEXT_BYTES:
            raise ValueError(f"its texts take more than {_ALL_TEXT_BYTES:,} bytes")


def _texts(book: zipfile.ZipFile, name: str) -> SharedTexts:
    reader = _Texts()
    if name in book.NameToInfo:
        known = idle = 0
        for _ in parsed(book, name, reader):
            idle = idle + BLOCK_BYTES if len(reader.texts) == known else 0
            known = len(reader.texts)
            if idle > IDLE_BYTES:
                raise ValueError(f"{IDLE_BYTES:,} bytes of {name} hold no text")
    return reader.texts


class _Texts:
    """Takes the shared texts: each `si` holds one, or pieces of one in different fonts."""

    def __init__(self) -> None:
        self.texts = SharedTexts()
        self.depth = self._size = 0
        self._pieces: list[str] = []
        self._is_text = self._is_sound = False
        self._names: dict[str, str] = {}

    def start(self, tag: str, _attributes: dict[str, Any]) -> None:
        kind = self._names.get(tag) or self._names.setdefault(tag, local(tag))
        self.depth += 1
        self._is_sound |= kind == "rPh"
        self._is_text = kind == "t" and not self._is_sound
        if kind == "si":
            self._pieces, self._size = [], 0

    def end(self, tag: str) -> None:
        kind = self._names[tag]
        self.depth -= 1
        self._is_text = False
        if kind == "rPh":
            self._is_sound = False
        elif kind == "si":
            self.texts.add(unescaped("".join(self._pieces)))

    def data(self, text: str) -> None:
        if self._is_text:
            self._size += len(text)
            if self._size > TEXT_BYTES:
                raise ValueError(f"a text takes more than {TEXT_BYTES:,} bytes")
            self._pieces.append(text)
