"""Records of a writer's schema that the kernel cannot read: by fastavro, one at a time, into frames
that it can.
"""

import io
import struct
from typing import Any

import fastavro

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.catalog import Contract
from riskstream.domain.contracts.codec import BROKEN, HEADER_SIZE, reader_of, writer_of
from riskstream.domain.contracts.columns_kernel import BAD_TEXT, OK, TRAILING, TRUNCATED
from riskstream.domain.contracts.resolution import Names
from riskstream.domain.contracts.strict import end_of

_HEADER = struct.Struct(">bI")
_ITEMS = {p.FLOATS: "float", p.TEXTS: "string", p.LONGS: "long"}


class RecordReader:
    """Rewrites frames of one writer's schema as frames of the contract's own: some 20 us a
    record.
    """

    def __init__(self, contract: Contract, writer: dict[str, Any]) -> None:
        self._schema, self._names = writer, Names(writer)
        self._writer = writer_of(contract.schema, writer)
        self._reader = reader_of(contract.schema)
        self._header = _HEADER.pack(0, contract.id)

    def rewritten(self, frame: bytes) -> tuple[bytes, int]:
        """(frame of the contract's own schema, OK), or nothing and the status that says what is
        wrong.
        """
        try:
            end = end_of(self._schema, self._names, frame, HEADER_SIZE)
        except ValueError:
            return b"", TRUNCATED
        if end != len(frame):
            return b"", TRAILING
        out = io.BytesIO()
        out.write(self._header)
        try:
            record = fastavro.schemaless_reader(
                io.BytesIO(frame[HEADER_SIZE:]), self._writer, self._reader
            )
            fastavro.schemaless_writer(out, self._reader, record)
        except UnicodeDecodeError:
            return b"", BAD_TEXT
        except BROKEN:
            return b"", TRUNCATED
        return out.getvalue(), OK


def default_bytes(field: p.Field) -> bytes:
    """A text's, bytes' or array's default as it stands in a frame."""
    if field.kind == p.TEXT:
        return str(field.default).encode()
    if field.kind == p.BYTES:
        return str(field.default).encode("latin-1")
    out = io.BytesIO()
    items: Any = _ITEMS.get(field.kind)
    if field.kind == p.ROWS:
        longs = [{"name": name, "type": "long"} for name in field.columns]
        items = {"type": "record", "name": "Item", "fields": longs}
    schema = fastavro.parse_schema({"type": "array", "items": items})
    fastavro.schemaless_writer(out, schema, field.default)
    return out.getvalue()
