"""Walks the bytes of an Avro value by its schema and never past the end: what fastavro takes too
lightly is refused here.
"""

from typing import Any

from riskstream.domain.contracts.resolution import Names, kind_of

_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_MAX_DEPTH = 64


def end_of(schema: Any, names: Names, raw: bytes, position: int, depth: int = 0) -> int:
    """Position behind the value at `position`. ValueError where the bytes end early or say what
    Avro does not allow.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"records within records, more than {_MAX_DEPTH} deep")
    schema = names.resolved(schema)
    kind = kind_of(schema)
    if kind in _WIDTHS:
        return _after(raw, position, _WIDTHS[kind])
    if kind == "fixed":
        return _after(raw, position, schema["size"])
    if kind in ("array", "map"):
        return _blocks(schema, names, raw, position, depth)
    if kind == "record":
        for field in schema["fields"]:
            position = end_of(field["type"], names, raw, position, depth + 1)
        return position
    value, position = varint(raw, position)
    if kind in ("string", "bytes"):
        return _after(raw, position, value)
    if kind == "enum" and not 0 <= value < len(schema["symbols"]):
        raise ValueError(f"symbol {value} of {len(schema['symbols'])}")
    if kind == "union":
        if not 0 <= value < len(schema):
            raise ValueError(f"branch {value} of {len(schema)}")
        return end_of(schema[value], names, raw, position, depth + 1)
    return position


def varint(raw: bytes, position: int) -> tuple[int, int]:
    """(value, next position) of a zigzag number of 64 bits at most."""
    shift = value = 0
    while position < len(raw) and shift < 70:
        byte = raw[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if value >= 1 << 64:
                break
            return (value >> 1) ^ -(value & 1), position
        shift += 7
    raise ValueError("a number ends early or has more than 64 bits")


def _after(raw: bytes, position: int, size: int) -> int:
    if not 0 <= size <= len(raw) - position:
        raise ValueError(f"{size} bytes are needed, {len(raw) - position} are there")
    return position + size


def _blocks(schema: dict[str, Any], names: Names, raw: bytes, position: int, depth: int) -> int:
    is_map = kind_of(schema) == "map"
    items = schema["values"] if is_map else schema["items"]
    while True:
        count, position = varint(raw, position)
        if count == 0:
            return position
        if count < 0:
            size, position = varint(raw, position)
            _after(raw, position, size)
            count = -count
        if count > len(raw) - position:  # each item takes a byte at least
            raise ValueError(f"{count} items in {len(raw) - position} bytes")
        for _ in range(count):
            if is_map:
                position = end_of("string", names, raw, position)
            position = end_of(items, names, raw, position, depth + 1)
