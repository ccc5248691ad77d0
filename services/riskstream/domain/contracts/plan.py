"""Plans of the columnar codec: a flat Avro record as rows of small integers that a kernel walks.

A plan row is (kind, null_branch, bank_row, aux, null_row). Banks: integers, 4-byte floats, 8-byte
floats, spans (texts and arrays, as offset and length in the joined bytes). `bank_row` -1 means:
read past it. `aux`: where an enum's symbols begin in the map, or how many longs an item of ROWS
has. What a writer's schema has that rows cannot say (promotions to a float, nested types that are
not read any more) is read record by record.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.resolution import Incompatible, problems, source_fields

BOOL, INT, FLOAT, DOUBLE, TEXT, ENUM, FLOATS, TEXTS, LONGS, BYTES, ROWS = range(11)
"""Of ROWS: an array of records of integers alone."""
_KINDS = {
    "boolean": BOOL,
    "int": INT,
    "long": INT,
    "float": FLOAT,
    "double": DOUBLE,
    "string": TEXT,
    "bytes": BYTES,
}
_BANKS = {
    BOOL: 0,
    INT: 0,
    ENUM: 0,
    FLOAT: 1,
    DOUBLE: 2,
    TEXT: 3,
    FLOATS: 3,
    TEXTS: 3,
    LONGS: 3,
    BYTES: 3,
    ROWS: 3,
}
_ITEMS = {"float": FLOATS, "string": TEXTS, "long": LONGS, "int": LONGS}
_SAME_BYTES = {(BYTES, TEXT)}
"""(writer, reader) whose values stand in the bytes alike, and are judged alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the reader's record: where its values stand, and how to show them.

    `columns`: of ROWS the names of an item's fields.
    """

    name: str
    kind: int
    bank_row: int
    null_row: int
    symbols: tuple[str, ...]
    default: Any
    has_default: bool
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The reader's columns: its fields, and rows of each bank (integers, floats, doubles, spans,
    nulls).
    """

    fields: tuple[Field, ...]
    bank_rows: tuple[int, int, int, int, int]
    by_name: dict[str, Field]

    def field(self, name: str) -> Field:
        return self.by_name[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one writer's schema fills a layout. `ops` int32[fields, 5]; `symbol_map` int32: writer's
    symbol to reader's.

    `missing` are the layout's fields that the writer lacks. `is_by_record`: the kernel cannot read
    it; fastavro does.
    """

    ops: NDArray[np.int32]
    symbol_map: NDArray[np.int32]
    missing: tuple[Field, ...]
    is_by_record: bool = False


_BY_RECORD = Plan(
    ops=np.zeros((0, 5), np.int32), symbol_map=np.zeros(1, np.int32), missing=(), is_by_record=True
)


def layout_of(schema: dict[str, Any]) -> Layout:
    """Layout of a record schema; TypeError where a field is not flat (the per-record codec reads
    those).
    """
    used = [0, 0, 0, 0, 0]
    fields = []
    named = _records_in(schema)
    for field in schema["fields"]:
        kind, null_branch, names = _field_type(field["name"], field["type"], named)
        bank = _BANKS[kind]
        null_row = -1
        if null_branch >= 0:
            null_row, used[4] = used[4], used[4] + 1
        fields.append(
            Field(
                name=field["name"],
                kind=kind,
                bank_row=used[bank],
                null_row=null_row,
                symbols=names if kind == ENUM else (),
                default=field.get("default"),
                has_default="default" in field,
                columns=names if kind == ROWS else (),
            )
        )
        used[bank] += 1
    a, b, c, d, e = used
    by_name = {field.name: field for field in fields}
    return Layout(fields=tuple(fields), bank_rows=(a, b, c, d, e), by_name=by_name)


def plan_of(writer: dict[str, Any], reader: dict[str, Any], layout: Layout) -> Plan:
    """Plan that reads a writer's records into the reader's layout, by Avro's rules of resolution.

    Incompatible where they cannot all be read; ValueError where the writer's is no schema.
    """
    if found := problems(reader, writer):
        raise Incompatible(problems=found)
    sources = source_fields(reader, writer)
    targets = {source: name for name, source in sources.items()}
    defaults = {field["name"]: _enum_default(field["type"]) for field in reader["fields"]}
    ops = []
    symbol_map: list[int] = []
    named = _records_in(writer)
    for field in writer["fields"]:
        target = layout.by_name[targets[field["name"]]] if field["name"] in targets else None
        try:
            kind, null_branch, names = _field_type(field["name"], field["type"], named)
        except TypeError:
            return _BY_RECORD
        if target is not None and kind != target.kind and (kind, target.kind) not in _SAME_BYTES:
            return _BY_RECORD
        aux = len(names) if kind == ROWS else 0
        if kind == ROWS and target is not None and names != target.columns:
            return _BY_RECORD
        if kind == ENUM:
            aux = len(symbol_map)
            symbol_map.append(len(names))
            symbol_map += [_reader_symbol(symbol, target, defaults) for symbol in names]
        row = target.bank_row if target else -1
        in_kernel = TEXT if kind == BYTES else kind
        ops.append((in_kernel, null_branch, row, aux, target.null_row if target else -1))
    return Plan(
        ops=np.array(ops, np.int32).reshape(len(ops), 5),
        symbol_map=np.array(symbol_map or [0], np.int32),
        missing=tuple(field for field in layout.fields if field.name not in sources),
    )


def _reader_symbol(symbol: str, target: Field | None, defaults: dict[str, str | None]) -> int:
    """The reader's index of a writer's symbol; of one it does not know, that of the enum's
    default.
    """
    if target is None:
        return 0
    if symbol not in target.symbols:
        found = defaults[target.name]
        assert found is not None  # else the schemas are not compatible
        symbol = found
    return target.symbols.index(symbol)


def _enum_default(schema: Any) -> str | None:
    branches = schema if isinstance(schema, list) else [schema]
    found = [
        each.get("default")
        for each in branches
        if isinstance(each, dict) and each["type"] == "enum"
    ]
    return found[0] if found else None


def _records_in(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The record schemas that items of a record's arrays define, by name with and without its
    namespace.
    """
    out: dict[str, dict[str, Any]] = {}
    for field in schema["fields"]:
        kind = field["type"]
        items = kind["items"] if isinstance(kind, dict) and kind["type"] == "array" else None
        if isinstance(items, dict) and items["type"] == "record":
            space = items.get("namespace", schema.get("namespace", ""))
            out[items["name"]] = out[f"{space}.{items['name']}"] = items
    return out


def _columns(items: Any, named: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Names of an item's fields, where it is a record of integers alone; else none."""
    record = named.get(items) if isinstance(items, str) else items
    if not isinstance(record, dict) or record["type"] != "record":
        return ()
    kinds = [_base(field["type"]) for field in record["fields"]]
    if any(kind not in ("long", "int") for kind in kinds):
        return ()
    return tuple(field["name"] for field in record["fields"])


def _field_type(
    name: str, schema: Any, named: dict[str, dict[str, Any]]
) -> tuple[int, int, tuple[str, ...]]:
    """(kind, index of the null branch or -1, symbols of an enum or columns of ROWS)."""
    null_branch = -1
    if isinstance(schema, list):
        if len(schema) != 2 or "null" not in schema:
            raise TypeError(f"field {name}: the columnar codec takes unions of null and one type")
        null_branch = schema.index("null")
        schema = schema[1 - null_branch]
    symbols: tuple[str, ...] = ()
    if isinstance(schema, dict) and schema["type"] == "enum":
        return ENUM, null_branch, tuple(schema["symbols"])
    if isinstance(schema, dict) and schema["type"] == "array":
        base = _base(schema["items"])
        if null_branch < 0 and isinstance(base, str) and base in _ITEMS:
            return _ITEMS[base], -1, symbols
        if null_branch < 0 and (columns := _columns(schema["items"], named)):
            return ROWS, -1, columns
    else:
        base = _base(schema)
        if isinstance(base, str) and base in _KINDS:
            return _KINDS[base], null_branch, symbols
    raise TypeError(
        f"field {name}: the columnar codec takes flat fields and arrays of float, long, string "
        "or records of long"
    )


def _base(schema: Any) -> Any:
    """The type without its logical type."""
    return schema["type"] if isinstance(schema, dict) else schema
