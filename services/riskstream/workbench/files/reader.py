"""Opens what a person gives as FILE: one file, a folder, or a pattern, in any of the formats."""

import filecmp
import glob
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_input
from riskstream.workbench.files.columnar import ArrowFile, ParquetFile
from riskstream.workbench.files.delimited import DelimitedFile
from riskstream.workbench.files.jsonlines import JsonLinesFile
from riskstream.workbench.files.opened import head_of, packed_by
from riskstream.workbench.files.rows import FileRows, Layout, named, unreadable
from riskstream.workbench.files.workbook import WorkbookFile

_BESIDE = (".", "_", "~$", "Thumbs.db", "desktop.ini")
"""How names begin of what tools leave beside data."""
_HEAD_BYTES = 1 << 14
FORMATS = "Parquet, CSV, JSON lines, Arrow or Excel (.xlsx)"


class OneFile(Protocol):
    """What a reader of one format gives."""

    path: Path
    names: list[str]
    total: int | None

    def batches(self, columns: list[str], first: int) -> Iterator[FileRows]: ...


class Files:
    """One or more files with the same columns, read in the order of their names. `total`: rows of
    all of them, None where that is not known before they are read; `sheets` of a workbook, of which
    `unread` are not read; `is_delimited`: CSV.
    """

    def __init__(self, given: Path, layout: Layout | None = None) -> None:
        self.given = given
        self.paths = paths_of(given)
        _refuse_copies(self.paths)
        self._files = [opened(path, layout or Layout()) for path in self.paths]
        self.names = self._files[0].names
        first = self._files[0]
        self.sheets: tuple[str, ...] = ()
        self.unread: list[str] = []
        if isinstance(first, WorkbookFile):
            self.sheets = first.sheets
            self.unread = [each for each in self.sheets if each != first.sheet]
        self.is_delimited = isinstance(first, DelimitedFile)
        totals = [each.total for each in self._files]
        known = [total for total in totals if total is not None]
        self.total = sum(known) if len(known) == len(totals) else None

    def batches(self, columns: Sequence[str], absent: Collection[str] = ()) -> Iterator[FileRows]:
        """All rows of these columns. Fatal where a file lacks one, or has one that is to be
        `absent`: whoever looked for it did not find it in the first file.
        """
        wanted = list(dict.fromkeys(columns))
        for file in self._files:
            if late := [name for name in absent if name in file.names]:
                raise unreadable(
                    file.path,
                    f"it has the column {named(late[:1])}, which {self.paths[0].name} has not",
                    "give all files the same columns",
                )
            if isinstance(file, JsonLinesFile):
                file.absent = frozenset(absent)
            if missing := [name for name in wanted if name not in file.names]:
                do = f"name columns of the file in the mapping: {named(file.names)}"
                if len(self.paths) > 1:
                    do += f"; or leave it out by a pattern, like '*{self.paths[0].suffix}'"
                what = f"column {named(missing[:1])} is not in the file"
                raise unreadable(file.path, what, do)
            if twice := [name for name in wanted if file.names.count(name) > 1]:
                raise unreadable(
                    file.path,
                    f"several columns are called {named(twice[:1])}",
                    "give each a name of its own",
                )
        first = 0
        for file in self._files:
            for found in file.batches(wanted, first):
                first = found.first + found.batch.num_rows
                yield found


def paths_of(given: Path) -> list[Path]:
    """The files that a path names: itself, those in a folder but hidden ones, or those that a
    pattern matches. Fatal where there is none.
    """
    if given.is_dir():
        found = sorted(each for each in given.iterdir() if _is_data(each))
        _refuse_folders(given)
    elif not given.exists() and glob.has_magic(str(given)):
        found = sorted(_matching(given))
        found = [each for each in found if _is_data(each)]
    else:
        found = [given]
    if not found:
        raise unreadable(given, "no file is there", f"give {FORMATS}")
    for path in found:
        check_input(path, "FILE")
        if not path.exists():
            raise unreadable(path, "there is no such file", f"give {FORMATS}")
    return found


def _matching(given: Path) -> list[Path]:
    """The paths that a pattern matches, from its first part with a character of patterns on."""
    parts = given.parts
    at = next(n for n, part in enumerate(parts) if glob.has_magic(part))
    return list(Path(*parts[:at]).glob("/".join(parts[at:])))


def _is_data(path: Path) -> bool:
    """Files but those that tools leave beside data (.crc, _SUCCESS, _metadata, locks of Excel), and
    our commands (rows left out, mappings).
    """
    is_ours = path.name.endswith((".bad.csv", ".mapping.yaml"))
    return path.is_file() and not is_ours and not path.name.startswith(_BESIDE)


def _refuse_folders(given: Path) -> None:
    """Fatal where a folder holds others with files: who reads the ones leaves out the others."""
    for each in sorted(given.iterdir()):
        if not each.is_dir() or each.name.startswith(_BESIDE):
            continue
        if any(map(_is_data, each.rglob("*"))):
            raise unreadable(
                given,
                f"files stand in its folder {named([each.name])} too",
                f"give a pattern in quotes, like '{given.name}/**/*'",
            )


def _refuse_copies(paths: Sequence[Path]) -> None:
    """Fatal where a file is a copy of another: its rows would count twice."""
    by_size: dict[int, list[Path]] = {}
    for path in paths:
        by_size.setdefault(path.stat().st_size if len(paths) > 1 else 0, []).append(path)
    for alike in by_size.values():
        heads: dict[bytes, Path] = {}
        for path in alike if len(alike) > 1 else ():
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
            other = heads.setdefault(head, path)
            if other is not path and head and filecmp.cmp(path, other, shallow=False):
                raise unreadable(
                    path, f"it is a copy of {named([other.name])}", "leave one of them out"
                )


def opened(path: Path, layout: Layout) -> OneFile:
    """A reader of the file, by its first bytes. Fatal where it is of no format."""
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise Fatal(
            what=f"the file cannot be read: {cause(error)}",
            where=str(path),
            do=f"give {FORMATS}",
            exit_code=Exit.INPUT,
        ) from error
    if not magic:
        raise unreadable(path, "the file is empty", f"give {FORMATS}")
    if magic.startswith(b"PAR1"):
        return ParquetFile(path)
    if magic.startswith(b"ARROW1"):
        return ArrowFile(path, is_stream=False)
    if magic.startswith(b"\xff\xff\xff\xff"):
        return ArrowFile(path, is_stream=True)
    if magic.startswith(b"PK\x03\x04"):
        return WorkbookFile(path, layout)
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise unreadable(
            path, "it is an old Excel file (.xls), or has a password", "save it as .xlsx or CSV"
        )
    return _of_lines(path, layout)


def _of_lines(path: Path, layout: Layout) -> OneFile:
    head = head_of(path, 4096)
    packing = packed_by(path)
    if packing and head.startswith((b"PAR1", b"ARROW1", b"PK\x03\x04")):
        raise unreadable(path, f"a {packing} holds a file with parts of its own", "unpack it")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:9].lower().startswith((b"<html", b"<!doctype", b"<?xml", b"<table")):
        raise unreadable(
            path,
            "it is HTML or XML, whatever its name says",
            "save it as .xlsx or CSV in a spreadsheet",
        )
    names = path.name.lower()
    is_json = text.startswith(b"{") or any(end in names for end in (".jsonl", ".ndjson", ".json"))
    return JsonLinesFile(path, layout) if is_json else DelimitedFile(path, layout)


def read_columns(files: Files, columns: Sequence[str]) -> pa.Table:
    """All rows of these columns at once. Fatal where there is none."""
    batches = [each.batch for each in files.batches(columns)]
    if not batches:
        raise Fatal(
            what="it holds no rows",
            where=str(files.given),
            do="give some",
            exit_code=Exit.INPUT,
        )
    return pa.Table.from_batches(batches)
