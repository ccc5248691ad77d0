"""Files of a random table in each format, with the mapping that says how they are written."""

import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from tests.support.tables.truth import Truth
from tests.support.tables.way import CELL, JSON, TEXT, TYPED, Way
from tests.support.tables.ways import ways_of
from tests.support.workbooks import write_workbook

FORMATS = ("parquet", "arrow", "stream", "csv", "jsonl", "xlsx")
_MEDIA = {"parquet": TYPED, "arrow": TYPED, "stream": TYPED, "csv": TEXT, "jsonl": JSON}
_ENCODINGS = (
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "latin-1",
    "iso8859-15",
    "cp1250",
    "koi8-r",
    "shift_jis",
    "gb18030",
)
_NAMES = ("{}", "{}", "{}", "X {}", "{}, EUR", "{};2", 'the "{}"', "Größe {}", "{}.a", "{}\tb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file, the mapping for it, and the row of the table that stands at each of its places."""

    path: Path
    mapping: str
    rows: dict[int, int]
    is_sure: bool


@dataclass(slots=True)
class _Sheet:
    """Columns by name, and what the mapping says."""

    columns: dict[str, Any]
    file: dict[str, Any]
    transaction: dict[str, Any]
    label: dict[str, Any]
    is_sure: bool

    def text(self) -> str:
        sections = {"file": self.file, "transaction": self.transaction, "label": self.label}
        return yaml.safe_dump(
            {name: section for name, section in sections.items() if section},
            allow_unicode=True,
            sort_keys=False,
        )

    def rows(self) -> list[list[Any]]:
        return [list(row) for row in zip(*self.columns.values(), strict=True)]


def write(rng: Random, truth: Truth, kind: str, folder: Path) -> Written:
    """The table as a file of one of FORMATS."""
    medium = _MEDIA.get(kind, CELL)
    sheet = _sheet(rng, ways_of(rng, truth, medium), medium, truth)
    if kind in ("parquet", "arrow", "stream"):
        return _typed(rng, sheet, folder / f"in.{kind}", kind)
    if kind == "csv":
        return _csv(rng, sheet, folder / "in.csv")
    if kind == "jsonl":
        return _json(rng, sheet, folder / "in.jsonl")
    return _workbook(rng, sheet, folder / "in.xlsx")


def _sheet(rng: Random, ways: dict[str, Way], medium: str, truth: Truth) -> _Sheet:
    """Each way's columns under names, in some order, with others between them."""
    columns: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    name_by = rng.choice(_NAMES)
    for field, way in ways.items():
        names = [name_by.format(f"{field[:4]}{at}") for at in range(len(way.columns))]
        columns |= dict(zip(names, way.columns, strict=True))
        if len(names) == 1:
            fields[field] = {"column": names[0], **way.source} if way.source else names[0]
        else:
            fields[field] = {**({"columns": names} if names else {}), **way.source}
    columns |= _others(rng, truth.rows, medium)
    order = list(columns)
    rng.shuffle(order)
    label = {"is_fraud": fields.pop("is_fraud")} if "is_fraud" in fields else {}
    return _Sheet(
        columns={name: columns[name] for name in order},
        file={},
        transaction=fields,
        label=label,
        is_sure=truth.is_tame and all(way.is_sure for way in ways.values()),
    )


def _others(rng: Random, n: int, medium: str) -> dict[str, Any]:
    """Columns that no mapping names."""
    count = rng.choice([0, 0, 1, 3])
    if medium == TYPED:
        made = [
            lambda: pa.array([[1, 2]] * n),
            lambda: pa.array([{"a": 1, "b": "x"}] * n),
            lambda: pa.array([rng.random() for _ in range(n)]),
            lambda: pa.array(["x" * rng.randint(0, 99) for _ in range(n)]),
            lambda: pa.nulls(n),
        ]
        return {f"other {at}": rng.choice(made)() for at in range(count)}
    words = ["", "x", "1,5", "a;b", 'say "y"', "two\nlines", "Zürich", "'", " b "]
    return {f"other {at}": [rng.choice(words) for _ in range(n)] for at in range(count)}


def _typed(rng: Random, sheet: _Sheet, path: Path, kind: str) -> Written:
    table = pa.table(sheet.columns)
    if kind == "parquet":
        _parquet(rng, table, path)
    else:
        new = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        packing = rng.choice([None, "lz4", "zstd"])
        options = pa.ipc.IpcWriteOptions(
            compression=packing, emit_dictionary_deltas=kind == "stream" and rng.random() < 0.5
        )
        with new(str(path), table.schema, options=options) as writer:
            size = rng.choice([1, 7, 100])
            if kind == "arrow":
                table = table.unify_dictionaries()
            for start in range(0, len(table), size):
                writer.write_table(table.slice(start, size))
    rows = {at + 1: at for at in range(len(table))}
    return Written(path=path, mapping=sheet.text(), rows=rows, is_sure=sheet.is_sure)


def _parquet(rng: Random, table: pa.Table, path: Path) -> None:
    for at, name in enumerate(table.column_names):
        if pa.types.is_run_end_encoded(table.schema.field(name).type):  # Parquet has none
            plain = pc.run_end_decode(table[name].combine_chunks())
            table = table.set_column(at, name, plain)
    is_old = rng.random() < 0.15
    pq.write_table(
        table,
        path,
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "lz4"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([1, 5, 100]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        store_schema=rng.random() < 0.7,
        use_deprecated_int96_timestamps=is_old,
    )


def _csv(rng: Random, sheet: _Sheet, path: Path) -> Written:
    separator = rng.choice([",", ";", "\t", "|", ",", ";", "^", "~"])
    quote = rng.choice(['"', '"', '"', "'"])
    end = rng.choice(["\n", "\n", "\r\n", "\r"])
    names = list(sheet.columns)
    is_headless = rng.random() < 0.1
    out = io.StringIO(newline="")
    is_all_quoted = rng.random() < 0.3
    rows: dict[int, int] = {}
    line = _Lines(out)
    is_hinted = rng.random() < 0.15
    if is_hinted:
        out.write(f"sep={separator}{end}")
    if not is_headless:
        out.write(_record(names, separator, quote, is_all_quoted=is_all_quoted) + end)
    for at, row in enumerate(sheet.rows()):
        if rng.random() < 0.05:
            out.write(end)
        rows[line.next()] = at
        out.write(_record(row, separator, quote, is_all_quoted=is_all_quoted) + end)
    text = out.getvalue()
    if rng.random() < 0.2:
        text = text.removesuffix(end)
    is_told = is_hinted or separator in (",", ";", "\t", "|")
    if not is_told or rng.random() < 0.2:
        sheet.file["separator"] = separator
    if quote == "'":
        sheet.file["quote"] = quote
    if is_headless:
        sheet.file["columns"] = names
        sheet.file["separator"] = separator
    raw, is_sure = _encoded(rng, text, sheet)
    path.write_bytes(_packed(rng, raw))
    is_narrow = len(names) == 1  # an empty value is an empty line, which is no row
    return Written(
        path=path,
        mapping=sheet.text(),
        rows=rows,
        is_sure=sheet.is_sure and is_sure and not is_narrow,
    )


def _record(
    values: Sequence[str | None], separator: str, quote: str, *, is_all_quoted: bool
) -> str:
    """A line of CSV by RFC 4180. Python's writer quotes no line ends but its own."""
    special = {separator, quote, "\r", "\n"}
    return separator.join(
        f"{quote}{each.replace(quote, quote * 2)}{quote}"
        if is_all_quoted or special.intersection(each)
        else each
        for each in ("" if each is None else each for each in values)
    )


class _Lines:
    """Counts the lines of what was written."""

    def __init__(self, out: io.StringIO) -> None:
        self._out, self._at, self._lines = out, 0, 1

    def next(self) -> int:
        """The line at which the next text will stand."""
        fresh = self._out.getvalue()[self._at :]
        self._at += len(fresh)
        self._lines += len(fresh.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
        return self._lines


def _encoded(rng: Random, text: str, sheet: _Sheet) -> tuple[bytes, bool]:
    """(bytes, whether the reader has to know their encoding)."""
    encoding = rng.choice(_ENCODINGS) if rng.random() < 0.4 else "utf-8"
    if text.startswith("\ufeff"):  # without a byte order mark it would be one itself
        encoding = "utf-8-sig"
    try:
        raw = text.encode(encoding)
        if raw.decode(encoding) != text:
            raise ValueError(encoding)
    except ValueError:
        encoding, raw = "utf-8", text.encode()
    if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        return raw, True
    is_told = rng.random() < 0.8 or _is_utf_8(raw)
    if is_told:
        sheet.file["encoding"] = encoding
    return raw, is_told


def _is_utf_8(raw: bytes) -> bool:
    """Bytes of another encoding that are UTF-8 as well: nobody can tell."""
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


def _packed(rng: Random, raw: bytes) -> bytes:
    kind = rng.choice(["", "", "", "gzip", "zstd", "bz2", "members"])
    if kind == "members":  # as `cat a.gz b.gz` makes them
        return gzip.compress(raw[: len(raw) // 2]) + gzip.compress(raw[len(raw) // 2 :])
    if not kind:
        return raw
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, kind) as stream:
        stream.write(raw)
    return bytes(out.getvalue())


def _json(rng: Random, sheet: _Sheet, path: Path) -> Written:
    is_ascii, lacks_nulls = rng.random() < 0.5, rng.random() < 0.3
    is_nested = rng.random() < 0.2
    names = {name: f"to.{name}" if is_nested else name for name in sheet.columns}
    end = rng.choice(["\n", "\n", "\r\n"])
    lines, rows = [], {}
    for at, row in enumerate(sheet.rows()):
        if rng.random() < 0.05:
            lines.append("")
        held = dict(zip(sheet.columns, row, strict=True))
        if lacks_nulls and at:
            held = {name: value for name, value in held.items() if value is not None}
        found = {"to": held} if is_nested else held
        rows[len(lines) + 1] = at
        lines.append(json.dumps(found, ensure_ascii=is_ascii))
    text = end.join(lines) + (end if rng.random() < 0.8 else "")
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    path.write_bytes(_packed(rng, text.encode(encoding)))
    for section in (sheet.transaction, sheet.label):
        for field, source in section.items():
            section[field] = _renamed(source, names)
    return Written(path=path, mapping=sheet.text(), rows=rows, is_sure=sheet.is_sure)


def _renamed(source: Any, names: dict[str, str]) -> Any:
    if isinstance(source, str):
        return names[source]
    out = dict(source)
    if "column" in out:
        out["column"] = names[out["column"]]
    if "columns" in out:
        out["columns"] = [names[each] for each in out["columns"]]
    return out


def _workbook(rng: Random, sheet: _Sheet, path: Path) -> Written:
    above = rng.choice([0, 0, 2])
    rows = [*([[]] * above), list(sheet.columns), *sheet.rows()]
    sheets = {"Empty": [], "Data": rows} if rng.random() < 0.3 else {"Data": rows}
    if rng.random() < 0.2:
        sheets["Other"] = [["a"], [1]]
        sheet.file["sheet"] = "Data"
    write_workbook(path, sheets)
    places = {above + 2 + at: at for at in range(len(rows) - above - 1)}
    return Written(path=path, mapping=sheet.text(), rows=places, is_sure=sheet.is_sure)
