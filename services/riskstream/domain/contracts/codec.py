"""The per-record codec: one record to and from Avro in Confluent framing, by fastavro.

Frame: a zero byte, the schema id as 4 bytes big endian, the Avro body. The columnar codec is
`columns.py`.
"""

import io
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import fastavro
from fastavro.read import SchemaResolutionError

from riskstream.domain.contracts.catalog import (
    Contract,
    contract,
    contract_by_id,
    contracts,
    schema_id,
)
from riskstream.domain.contracts.resolution import Incompatible, aligned, kind_of, problems
from riskstream.domain.contracts.writers import (
    Unknown,
    find,
    find_other,
    refusal,
    unknown,
    wait_for,
    wire_id,
)
from riskstream.runtime.errors import Rejected

HEADER_SIZE = 5
BROKEN = (
    EOFError,
    IndexError,
    ValueError,
    struct.error,
    OverflowError,
    TypeError,
    MemoryError,
    KeyError,
    RecursionError,
    SchemaResolutionError,
)
"""What fastavro raises at bytes that are not of the schema."""
_HEADER = struct.Struct(">bI")


class Codec:
    """Encodes and decodes the records of one contract. Instants stay integers (ms since 1970
    UTC).
    """

    def __init__(self, name: str | Contract) -> None:
        self.contract: Contract = contract(name) if isinstance(name, str) else name
        self._schema = reader_of(self.contract.schema)
        self._writers = {
            known: self._writer(schema) for known, schema in self.contract.versions.items()
        }

    @classmethod
    def of(cls, name: str, schema: dict[str, Any], versions: list[dict[str, Any]]) -> "Codec":
        """A codec of schemas that are not in the catalog."""
        known = {schema_id(each): each for each in versions}
        return cls(Contract(name=name, schema=schema, id=schema_id(schema), versions=known))

    def _writer(self, schema: dict[str, Any]) -> Any:
        if found := problems(self.contract.schema, schema):
            raise Incompatible(problems=found)
        return writer_of(self.contract.schema, schema)

    def _asked_for(self, known: int) -> Any:
        """A writer's schema that is not bundled."""
        found = find_other(known)
        if found is None:
            raise wait_for([known], [0], self.contract.name)
        if isinstance(found, Unknown):
            raise unknown(self.contract, known, found)
        try:
            self._writers[known] = self._writer(found)
        except (Incompatible, ValueError) as error:
            raise refusal(self.contract, known, error) from error
        return self._writers[known]

    def encode(self, record: Mapping[str, Any] | object) -> bytes:
        """Bytes of one record: a mapping, or a generated record. ValueError or TypeError where it
        does not fit.
        """
        out = io.BytesIO()
        out.write(_HEADER.pack(0, wire_id(self.contract)))
        fastavro.schemaless_writer(out, self._schema, as_mapping(record), strict_allow_default=True)
        return out.getvalue()

    def decode(self, frame: bytes | None) -> dict[str, Any]:
        """One record as a dict; Rejected with the codes of docs/rejects.md where the frame is not
        one of ours.

        SchemaWait while its schema is being asked for.
        """
        known = frame_schema_id(frame)
        assert frame is not None
        writer = self._writers.get(known) or self._asked_for(known)
        body = io.BytesIO(frame[HEADER_SIZE:])
        try:
            record = fastavro.schemaless_reader(body, writer, self._schema)
        except UnicodeDecodeError as error:
            raise Rejected(reason="bad_text", detail=str(error)) from error
        except BROKEN as error:
            raise Rejected(
                reason="truncated", detail=f"the body ends early or is not Avro: {error}"
            ) from error
        if body.read(1):
            raise Rejected(reason="trailing_bytes", detail="bytes follow the record")
        assert isinstance(record, dict)
        return record


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    """Fields of a generated record; to ask for them takes as long as to read them."""
    return tuple(field.name for field in fields(kind))


def as_mapping(record: Mapping[str, Any] | object) -> Mapping[str, Any]:
    """A generated record as a dict one level deep; a mapping as it is."""
    if is_dataclass(record) and not isinstance(record, type):
        return {name: _plain(getattr(record, name)) for name in _names(type(record))}
    assert isinstance(record, Mapping)
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [as_mapping(item) if is_dataclass(item) else item for item in value]
    return value


def frame_schema_id(frame: bytes | None) -> int:
    """Schema id of a frame; Rejected where it has none."""
    if not frame:
        raise Rejected(reason="empty", detail="the value is empty")
    if len(frame) < HEADER_SIZE:
        raise Rejected(
            reason="short", detail=f"{len(frame)} bytes, a frame has at least {HEADER_SIZE}"
        )
    magic, known = _HEADER.unpack_from(frame)
    if magic != 0:
        raise Rejected(reason="bad_magic", detail=f"first byte {frame[0]}, a frame begins with 0")
    return int(known)


@cache
def codec(name: str) -> Codec:
    """The codec of a contract, made once."""
    return Codec(name)


def decode_any(frame: bytes | None) -> tuple[str, dict[str, Any]]:
    """Contract name and record of a frame of any contract; Rejected where the id is unknown."""
    known = frame_schema_id(frame)
    name = contract_of(known)
    return name, codec(name).decode(frame)


def contract_of(schema_id: int) -> str:
    """Name of the contract of a schema id; Rejected where it has none, SchemaWait while it is being
    asked for.
    """
    bundled = contract_by_id().get(schema_id)
    if bundled is not None:
        return bundled.name
    found = find(schema_id)
    if found is None:
        raise wait_for([schema_id], [0], "any contract")
    if isinstance(found, Unknown):
        raise Rejected(
            reason="unknown_schema", detail=f"no contract has schema id {schema_id}: {found.detail}"
        )
    names = [each.name for each in contracts().values() if not problems(each.schema, found)]
    if not names:
        raise Rejected(
            reason="incompatible_schema",
            detail=f"schema id {schema_id}, {found.get('name')}, reads as no contract",
        )
    return names[0]


def without_logical_types(schema: Any) -> Any:
    """The schema with its logical types taken off, so that instants are read and written as
    integers.
    """
    if isinstance(schema, dict):
        return {
            key: without_logical_types(value)
            for key, value in schema.items()
            if key != "logicalType"
        }
    if isinstance(schema, list):
        return [without_logical_types(item) for item in schema]
    return schema


def reader_of(schema: dict[str, Any]) -> Any:
    """The schema as fastavro takes a reader's: no aliases (see `writer_of`), defaults of bytes as
    bytes.
    """
    parsed = fastavro.parse_schema(_without_aliases(without_logical_types(schema)))
    for field in parsed["fields"]:
        default = field.get("default")
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        if isinstance(default, str) and kind_of(branches[0]) in ("bytes", "fixed"):
            field["default"] = default.encode("latin-1")
    return parsed


def writer_of(reader: dict[str, Any], writer: dict[str, Any]) -> Any:
    """A writer's schema as fastavro takes it, under the reader's names; what aliases mean is
    decided by `resolution`.
    """
    return fastavro.parse_schema(aligned(reader, without_logical_types(writer)))


def _without_aliases(schema: dict[str, Any]) -> dict[str, Any]:
    fields = [
        {key: value for key, value in field.items() if key != "aliases"}
        for field in schema["fields"]
    ]
    return {**schema, "fields": fields}
