"""Ways in which a file is damaged, each by a seed."""

import bz2
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pyarrow as pa

from loadtests.files.good import Good

Damage = Callable[[Random, Good], bytes]
_SUFFIXES = (".csv", ".parquet", ".arrow", ".jsonl", ".json", ".xlsx", ".csv.gz", ".txt", "")
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, 1 << 28, 1 << 30, 0x7FFFFFFF, 0xFFFFFFFF)
_LONG = (*_NUMBERS, 1 << 32, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
_MARKS = (b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\\", b"{", b"}", b"[", b"<", b">", b"&")
_MAGICS = (
    b"PAR1",
    b"ARROW1\0\0",
    b"\xff\xff\xff\xff",
    b"PK\x03\x04",
    b"\x1f\x8b\x08\x00",
    b"\x28\xb5\x2f\xfd",
    b"BZh9",
    b"\xd0\xcf\x11\xe0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"{",
    b"[",
    b"sep=;\n",
)
_WIDE = 1_000_000


def damaged(rng: Random, good: Good, *, is_quick: bool) -> tuple[str, bytes, str]:
    """(kinds of damage, the damaged bytes, the end of the file's name)."""
    is_dear = rng.random() > 0.995 and not is_quick
    names = [rng.choice(_DEAR if is_dear else _USUAL)]
    if names[0] in _USUAL:
        names += [rng.choice(_USUAL) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
    raw = good.raw
    for name in names:
        raw = DAMAGES[name](rng, Good(good.kind, raw, good.mapping, good.suffix))
    suffix = good.suffix
    if rng.random() < 0.1:
        suffix = rng.choice(_SUFFIXES)
        names.append("name")
    return "+".join(names), raw, suffix


def _at(rng: Random, raw: bytes | bytearray) -> int:
    """A place; the ends of a file, where its index stands, are likelier."""
    kind = rng.random()
    if kind < 0.2:
        return rng.randrange(min(len(raw), 64) or 1)
    if kind < 0.5:
        return max(0, len(raw) - 1 - rng.randrange(min(len(raw), 1024) or 1))
    return rng.randrange(len(raw) or 1)


def _slice(rng: Random, raw: bytes) -> tuple[int, int]:
    start = _at(rng, raw)
    return start, min(len(raw), start + rng.choice([1, 2, 4, 8, 64, 1000]))


def _flips(rng: Random, good: Good) -> bytes:
    out = bytearray(good.raw or b"\0")
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        out[_at(rng, out)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _bytes(rng: Random, good: Good) -> bytes:
    out = bytearray(good.raw or b"\0")
    for _ in range(rng.choice([1, 1, 2, 8])):
        out[_at(rng, out)] = rng.choice([0, 0xFF, 0x7F, 0x80, rng.randrange(256)])
    return bytes(out)


def _number(rng: Random, good: Good) -> bytes:
    """A number of 2, 4 or 8 bytes, as lengths and offsets are."""
    at, size = _at(rng, good.raw), rng.choice([2, 4, 4, 8, 8])
    value = rng.choice(_LONG) & ((1 << 8 * size) - 1)
    return good.raw[:at] + value.to_bytes(size, "little") + good.raw[at + size :]


def _varint(rng: Random, good: Good) -> bytes:
    """A number as Thrift writes it, in place of a byte."""
    at, value, out = _at(rng, good.raw), rng.choice(_LONG), b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return good.raw[:at] + out + bytes([value]) + good.raw[at + 1 :]


def _cut(rng: Random, good: Good) -> bytes:
    return good.raw[: _at(rng, good.raw)]


def _headless(rng: Random, good: Good) -> bytes:
    return good.raw[rng.choice([1, 2, 4, 8, 100]) :]


def _removed(rng: Random, good: Good) -> bytes:
    start, stop = _slice(rng, good.raw)
    return good.raw[:start] + good.raw[stop:]


def _doubled(rng: Random, good: Good) -> bytes:
    start, stop = _slice(rng, good.raw)
    part = good.raw[start:stop] * rng.choice([1, 2, 100])
    return good.raw[:start] + part + good.raw[start:]


def _moved(rng: Random, good: Good) -> bytes:
    start, stop = _slice(rng, good.raw)
    rest = good.raw[:start] + good.raw[stop:]
    at = _at(rng, rest)
    return rest[:at] + good.raw[start:stop] + rest[at:]


def _inserted(rng: Random, good: Good) -> bytes:
    at = _at(rng, good.raw)
    made = rng.choice(
        [rng.randbytes(rng.choice([1, 4, 100])), b"\0" * rng.choice([1, 8, 1000]), *_MARKS]
    )
    return good.raw[:at] + made + good.raw[at:]


def _garbage(rng: Random, _: Good) -> bytes:
    magic = rng.choice(_MAGICS)
    body = rng.randbytes(rng.choice([0, 1, 10, 1000, 100_000]))
    return magic + body + rng.choice([b"", magic, struct.pack("<I", len(body)) + magic])


def _joined(rng: Random, good: Good) -> bytes:
    """The file twice, or with another format's first bytes before it."""
    return rng.choice([good.raw, *_MAGICS]) + good.raw


def _within(rng: Random, good: Good) -> bytes:
    """A damage of what is packed: in one part of a workbook, or below gzip."""
    inner = rng.choice([_flips, _bytes, _cut, _removed, _doubled, _inserted, _moved, _number])
    if good.raw.startswith(b"PK"):
        return _part_changed(rng, good, lambda raw: inner(rng, Good("", raw, "", "")))
    raw = good.raw
    with suppress(Exception):
        raw = pa.input_stream(io.BytesIO(raw), compression="detect").read()
    for unpack in (gzip.decompress, bz2.decompress):
        with suppress(Exception):
            raw = unpack(raw)
    return gzip.compress(inner(rng, Good("", raw, "", "")), 1)


def _part_changed(rng: Random, good: Good, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with another text in one of its parts."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(good.raw)) as book:
            parts = {each: book.read(each) for each in book.namelist()}
    except Exception:
        return good.raw
    if parts:
        name = rng.choice(list(parts))
        parts[name] = change(parts[name])
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, raw in parts.items():
            book.writestr(name, raw)
    return out.getvalue()


def _packed(rng: Random, raw: bytes) -> bytes:
    kind = rng.choice(["gzip", "bz2", "zstd"])
    if kind == "zstd":
        return _zstd(raw)
    return gzip.compress(raw, 1) if kind == "gzip" else bz2.compress(raw, 1)


def _zstd(raw: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(raw)
    return bytes(out.getvalue())


def _bomb(rng: Random, good: Good) -> bytes:
    """Few bytes that are very many when they are unpacked."""
    unit = rng.choice([b"\0", b"a", b"\n", b",", b"a,b\n", b'"', b"{", b'{"a":1}\n', b" "])
    head = rng.choice([b"", b"a,b\n", b'{"a":1}\n', good.raw if good.kind == "csv" else b""])
    return _packed(rng, head + unit * ((12 << 20) // len(unit)))


def _sheet_bomb(rng: Random, _: Good) -> bytes:
    """A workbook whose parts are very large when they are unpacked."""
    size = 48 << 20
    head = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    cell = b'<row r="1"><c r="A1" t="inlineStr"><is><t>'
    made = rng.choice(
        [
            lambda: head + b" " * size,
            lambda: head + b"<a>" * (size // 3),
            lambda: head + b"<c a='" + b"x" * size,
            lambda: head + b"<sheetData>" + cell + b"x" * size,
            lambda: head + b"<sheetData>" + b"<row/>" * (size // 6),
            lambda: b"<a>" + b"".join(b"<a%d/>" % n for n in range(1_000_000)),
            lambda: b"<a " + b" ".join(b"a%d='1'" % n for n in range(500_000)),
            lambda: b"<sst>" + b"<si><t>abcdefgh</t></si>" * (size // 24),
            lambda: b"<sst>" + b"<si/>" * (size // 5),
            lambda: b"<sst><si><t>" + "\U0001f642".encode() * (size // 4),
            lambda: b"<styleSheet>" + b"<xf/>" * (3 << 20),
            lambda: b"<!--" + b"x" * size,
            lambda: b"<!DOCTYPE a [" + b"<!ENTITY a 'b'>" * (size // 64),
            _laughs,
        ]
    )()
    kinds = ["xl/sheet.xml", "xl/texts.xml", "xl/styles.xml", "xl/workbook.xml", "_rels/.rels"]
    return book_of({rng.choice(kinds): made})


def _laughs() -> bytes:
    lines = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    return b'<!DOCTYPE a [<!ENTITY l0 "ha">' + lines + b"]><worksheet><a>&l9;</a></worksheet>"


def book_of(changed: dict[str, bytes]) -> bytes:
    relation = '<Relationship Id="{0}" Type="x/{1}" Target="/xl/{0}.xml"/>'
    kinds = {"styles": "styles", "texts": "sharedStrings", "sheet": "worksheet"}
    related = "".join(relation.format(part, kind) for part, kind in kinds.items())
    parts = {
        "_rels/.rels": b'<a><Relationship Type="x/officeDocument" Target="xl/workbook.xml"/></a>',
        "xl/workbook.xml": b'<a><sheets><sheet name="Data" id="sheet"/></sheets></a>',
        "xl/_rels/workbook.xml.rels": f"<a>{related}</a>".encode(),
        "xl/styles.xml": b"<a/>",
        "xl/texts.xml": b"<a/>",
        "xl/sheet.xml": b'<a><row r="1"><c t="str"><v>a</v></c></row></a>',
        **changed,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, raw in parts.items():
            book.writestr(name, raw)
    return out.getvalue()


def _wide(rng: Random, _: Good) -> bytes:
    """A header of a million columns, or rows as wide."""
    made: list[Callable[[], bytes]] = [
        lambda: b"," * _WIDE + b"\n" + b"1," * 10,
        lambda: b",".join(b"c%d" % n for n in range(_WIDE)) + b"\n" + b"1," * _WIDE + b"\n",
        lambda: b"a,b\n" + b"1," * _WIDE + b"\n",
        lambda: b'{"a":1}\n{' + b",".join(b'"c%d":1' % n for n in range(80_000)) + b"}\n",
        lambda: b"".join(
            b"{" + b",".join(b'"%d":1' % (n * 100 + at) for at in range(100)) + b"}\n"
            for n in range(1000)
        ),
        lambda: _table_of(10_000 * rng.choice([1, 3])),
    ]
    return rng.choice(made)()


def _table_of(columns: int) -> bytes:
    table = pa.table({f"c{n}": [1] for n in range(columns)})
    out = pa.BufferOutputStream()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


def _deep(rng: Random, _: Good) -> bytes:
    depth = rng.choice([100, 10_000, 200_000])
    return rng.choice(
        [
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"a":' + b"[" * depth + b"]" * depth + b"}",
            b'{"a":1}\n' + b"[" * depth,
            json.dumps({"a.b": 1, "a": {"b": 2}}).encode(),
        ]
    )


def _endless(rng: Random, good: Good) -> bytes:
    """Lines without an end, and ends without lines."""
    unit = rng.choice([b"a", b" ", b"\n", b"\r", b'""', b",", b'a,"', b"\xff", b"\xc3", b"{"])
    return good.raw[: _at(rng, good.raw)] + unit * ((4 << 20) // len(unit))


def _texts(rng: Random, _: Good) -> bytes:
    """A long text that very many rows share, by a dictionary."""
    rows, size = rng.choice([(1000, 1 << 20), (100_000, 1 << 16), (1_000_000, 1 << 12)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * size])
    table = pa.table({"id": pa.concat_arrays([column] * (rows // 1000)), "at": pa.nulls(rows)})
    out = pa.BufferOutputStream()
    if rng.random() < 0.5:
        pa.parquet.write_table(table, out)
    else:
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    return bytes(out.getvalue())


DAMAGES: dict[str, Damage] = {
    "none": lambda _, good: good.raw,
    "flips": _flips,
    "bytes": _bytes,
    "number": _number,
    "varint": _varint,
    "cut": _cut,
    "headless": _headless,
    "removed": _removed,
    "doubled": _doubled,
    "moved": _moved,
    "inserted": _inserted,
    "garbage": _garbage,
    "joined": _joined,
    "within": _within,
    "bomb": _bomb,
    "sheet bomb": _sheet_bomb,
    "wide": _wide,
    "deep": _deep,
    "endless": _endless,
    "texts": _texts,
}
_DEAR = ("bomb", "sheet bomb", "wide", "deep", "endless", "texts")
"""Damages that take long to make."""
_USUAL = tuple(name for name in DAMAGES if name not in _DEAR)
