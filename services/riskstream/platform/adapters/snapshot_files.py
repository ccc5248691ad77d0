"""The format of a snapshot: a file that was cut anywhere, or changed, is seen.

A line of magic, a line of JSON (what it is of), blocks of compressed rows, each behind its length,
a length of 0, a line of JSON (what the scan found) and the SHA-256 of all before it.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"riskstream state snapshot\n"
FORMAT = 1
Rows = list[tuple[bytes, bytes]]
"""(field, row) as the store has them."""
_SIZES, _LENGTH = struct.Struct("<II"), struct.Struct("<I")
_BLOCK_BYTES = 1 << 20
_MOST_BLOCK = 64 << 20
_MOST_LINE = 1 << 16
_DIGEST_BYTES = 32


@dataclass(eq=False, kw_only=True)
class Damaged(Exception):
    """A snapshot that cannot be used: cut, changed, or of another format, layout, partition or
    cluster.
    """

    why: str

    def __str__(self) -> str:
        return self.why


class Writer:
    """Writes one snapshot: `Writer(file, head)`, rows, `end`."""

    def __init__(self, file: BinaryIO, head: dict[str, Any]) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self._parts: list[bytes] = []
        self._waiting = 0
        self.size = 0
        self.rows = 0
        self._write(MAGIC)
        self._line({**head, "format": FORMAT})

    def add(self, rows: Rows) -> None:
        """Add rows; what has come together to a block is compressed and written."""
        for key, row in rows:
            self._parts += (_SIZES.pack(len(key), len(row)), key, row)
            self._waiting += _SIZES.size + len(key) + len(row)
        self.rows += len(rows)
        if self._waiting >= _BLOCK_BYTES:
            self._flush()

    def end(self, tail: dict[str, Any]) -> None:
        """Write what is left, and the checksum."""
        if self._waiting:
            self._flush()
        self._write(_LENGTH.pack(0))
        self._line({**tail, "rows": self.rows})
        self._file.write(self._digest.digest())
        self.size += _DIGEST_BYTES

    def _flush(self) -> None:
        packed = zlib.compress(b"".join(self._parts), 1)
        self._write(_LENGTH.pack(len(packed)))
        self._write(packed)
        self._parts, self._waiting = [], 0

    def _line(self, what: dict[str, Any]) -> None:
        self._write(json.dumps(what, sort_keys=True).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


class Reader:
    """Reads one: `head`, every batch of `batches`, then `tail`, after which all that came is known
    to be whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()
        self._rows = 0
        if self._read(len(MAGIC)) != MAGIC:
            raise Damaged(why="it is no state snapshot")
        self.head = self._line()
        if self.head.get("format") != FORMAT:
            raise Damaged(
                why=f"it is of format {self.head.get('format')}, this release reads {FORMAT}"
            )

    def batches(self) -> Iterator[Rows]:
        while length := _LENGTH.unpack(self._read(_LENGTH.size))[0]:
            if length > _MOST_BLOCK:
                raise Damaged(why=f"it has a block of {length} bytes")
            unpacker = zlib.decompressobj()
            try:
                block = unpacker.decompress(self._read(length), _MOST_BLOCK)
            except zlib.error as error:
                raise Damaged(why=f"a block cannot be unpacked: {error}") from error
            if not unpacker.eof or unpacker.unused_data:
                raise Damaged(why="a block does not end where it should")
            rows = list(_rows(block))
            self._rows += len(rows)
            yield rows

    def tail(self) -> dict[str, Any]:
        tail = self._line()
        expected = self._digest.digest()
        if self._file.read(_DIGEST_BYTES + 1) != expected:
            raise Damaged(why="its checksum is not that of its content")
        if tail.get("rows") != self._rows:
            raise Damaged(why=f"it has {self._rows} rows and says {tail.get('rows')}")
        return tail

    def _line(self) -> dict[str, Any]:
        line = bytearray()
        while not line.endswith(b"\n"):
            if len(line) > _MOST_LINE:
                raise Damaged(why="a line does not end")
            line += self._read(1)
        try:
            found = json.loads(line)
        except ValueError as error:
            raise Damaged(why=f"a line is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise Damaged(why="a line is no JSON object")
        return found

    def _read(self, count: int) -> bytes:
        data = bytes(self._file.read(count))
        if len(data) < count:
            raise Damaged(why="it was cut")
        self._digest.update(data)
        return data


def _rows(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(block):
        if at + _SIZES.size > len(block):
            raise Damaged(why="a row was cut")
        key_length, row_length = _SIZES.unpack_from(block, at)
        at += _SIZES.size
        if at + key_length + row_length > len(block):
            raise Damaged(why="a row was cut")
        yield block[at : at + key_length], block[at + key_length : at + key_length + row_length]
        at += key_length + row_length
