"""Contracts as JSON Schema (2020-12): what a door takes, and what an answer holds. Pure.

JSON Schema counts characters where contracts count bytes of UTF-8, so a description says the bytes.
"""

from typing import Any

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.door import door

_WHOLE = {"int": "int32", "long": "int64"}
_NUMBERS = {"float": "float", "double": "double"}
_NO_WORD = "UNKNOWN"
"""What readers take for a symbol that is newer than they: nobody sends it."""


def body_schema(name: str, filled: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the door of a contract takes. `filled`: fields that it fills in where they are left
    out or null.
    """
    found = contract(name).schema
    docs = {field["name"]: field["doc"] for field in found["fields"]}
    properties, needed = {}, []
    for each in door(name, filled).fields:
        schema = _schema(each.bounds, docs[each.name], is_asked=True)
        if each.may_be_null:
            schema = _or_null(schema)
        if each.name in filled:
            schema["description"] += " Filled in where it is left out."
        properties[each.name] = schema
        needed += [each.name] if each.is_needed else []
    return {
        "type": "object",
        "description": found["doc"],
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def field_schema(name: str, field: str) -> dict[str, Any]:
    """What an answer says in a field of a contract."""
    [found] = [each for each in contract(name).schema["fields"] if each["name"] == field]
    bounds = bounds_of(name)[field]
    schema = _schema(bounds, found["doc"], is_asked=False)
    return _or_null(schema) if bounds.is_nullable else schema


def _schema(bounds: Bounds, doc: str, *, is_asked: bool) -> dict[str, Any]:
    one = _one(bounds, is_asked=is_asked)
    said = bounds.said()
    words = f"{doc.rstrip()}{f' Bounds: {said}.' if said and bounds.kind == 'string' else ''}"
    if not bounds.is_array:
        return {**one, "description": words}
    most = {} if bounds.max_items is None else {"maxItems": bounds.max_items}
    return {"type": "array", "items": one, **most, "description": words}


def _one(bounds: Bounds, *, is_asked: bool) -> dict[str, Any]:
    """The schema of a value, of each item of an array."""
    if bounds.symbols:
        return {"type": "string", "enum": [each for each in bounds.symbols if each != _NO_WORD]}
    if bounds.kind in _WHOLE:
        found = {"minimum": bounds.minimum, "maximum": bounds.maximum}
        declared = {name: each for name, each in found.items() if each is not None}
        return {"type": "integer", "format": _WHOLE[bounds.kind], **declared}
    if bounds.kind in _NUMBERS:
        return {"type": "number", "format": _NUMBERS[bounds.kind]}
    if bounds.kind == "boolean":
        return {"type": "boolean"}
    out: dict[str, Any] = {"type": "string"}
    if bounds.min_bytes and is_asked:
        out["minLength"] = 1
    if bounds.max_bytes is not None:
        out["maxLength"] = bounds.max_bytes
    if bounds.pattern is not None:
        out["pattern"] = f"^{bounds.pattern}$"
    return out


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    out = {**schema, "type": [schema["type"], "null"]}
    if "enum" in out:
        out["enum"] = [*out["enum"], None]
    return out
