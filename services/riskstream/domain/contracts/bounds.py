"""Bounds of the contracts' fields, as schemas/ declares them: the one place where every reader and
door takes them from.

A field's `minBytes`, `maxBytes` (of UTF-8; of each item of an array), `maxItems`, `maxTotalBytes`
(of all items), `minimum`, `maximum` and `pattern` are attributes beside its type; `maxBytes` of a
record is that of its frame. They are no part of the schema's id, so a contract in use can get one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.codec import Codec, frame_schema_id
from riskstream.domain.contracts.columns import MAX_FRAME_BYTES, Columns
from riskstream.domain.contracts.columns_kernel import list_bounds_kernel
from riskstream.domain.contracts.plan import TEXT, Layout
from riskstream.runtime.errors import Rejected

UNBOUNDED = int(np.iinfo(np.int64).max)
_VARINT, _FRAME_HEADER = 10, 5
_WIDTHS = {"boolean": 1, "int": _VARINT, "long": _VARINT, "float": 4, "double": 8, "null": 0}
_TEXTS = ("string", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of one field. `kind` is its Avro type without null (an enum's is `enum`, an array's its
    items' with `is_array`).

    `symbols` of an enum. Sizes in bytes of UTF-8.
    """

    name: str
    kind: str
    is_nullable: bool
    has_default: bool
    is_array: bool = False
    symbols: tuple[str, ...] = ()
    min_bytes: int = 0
    max_bytes: int | None = None
    max_items: int | None = None
    max_total_bytes: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None

    @property
    def range(self) -> tuple[int, int]:
        """Least and most of a number, those of 64 bits where none are declared."""
        least, most = self.minimum, self.maximum
        return (-UNBOUNDED if least is None else least), (UNBOUNDED if most is None else most)

    def said(self) -> str:
        """The bounds in words, empty where there are none."""
        words = []
        if self.max_bytes is not None:
            low = f"{self.min_bytes} to " if self.min_bytes else "at most "
            words.append(f"{low}{self.max_bytes:,} bytes{' each' if self.is_array else ''}")
        if self.max_items is not None:
            words.append(f"at most {self.max_items:,} items")
        if self.max_total_bytes is not None:
            words.append(f"at most {self.max_total_bytes:,} bytes together")
        if self.minimum is not None:
            words.append(f"from {self.minimum:,}")
        if self.maximum is not None:
            words.append(f"to {self.maximum:,}")
        if self.pattern is not None:
            words.append(f"shaped `{self.pattern}`")
        return ", ".join(words)


@cache
def bounds_of(name: str) -> dict[str, Bounds]:
    """The bounds of a contract's fields by name, in the schema's order."""
    return {field["name"]: _bounds(field) for field in contract(name).schema["fields"]}


def _bounds(field: dict[str, Any]) -> Bounds:
    kind = field["type"]
    is_nullable = isinstance(kind, list)
    if is_nullable:
        kind = next(branch for branch in kind if branch != "null")
    is_array = isinstance(kind, dict) and kind["type"] == "array"
    if is_array:
        kind = kind["items"]
    symbols = tuple(kind["symbols"]) if isinstance(kind, dict) and kind["type"] == "enum" else ()
    return Bounds(
        name=field["name"],
        kind=kind["type"] if isinstance(kind, dict) else kind,
        is_nullable=is_nullable,
        has_default="default" in field,
        is_array=is_array,
        symbols=symbols,
        min_bytes=field.get("minBytes", 0),
        max_bytes=field.get("maxBytes"),
        max_items=field.get("maxItems"),
        max_total_bytes=field.get("maxTotalBytes"),
        minimum=field.get("minimum"),
        maximum=field.get("maximum"),
        pattern=field.get("pattern"),
    )


@cache
def largest_frame(name: str) -> int:
    """Bytes of the largest frame that a contract allows, by its bounds. TypeError where a text or
    array has none.
    """
    schema = contract(name).schema
    largest = _FRAME_HEADER + _largest(schema, {})
    return min(largest, int(schema.get("maxBytes", largest)))


def _largest(schema: dict[str, Any], named: dict[str, int]) -> int:
    total = 0
    for field in schema["fields"]:
        bounds, kind = _bounds(field), field["type"]
        if isinstance(kind, list):
            kind = next(branch for branch in kind if branch != "null")
        item = kind["items"] if bounds.is_array else kind
        if isinstance(item, dict) and item["type"] == "record":
            each = named[
                f"{item.get('namespace', schema.get('namespace', 'riskstream'))}.{item['name']}"
            ] = _largest(item, named)
        elif bounds.kind in _TEXTS:
            if bounds.max_bytes is None:
                raise TypeError(f"{schema['name']}.{bounds.name} has no maxBytes")
            each = _VARINT + bounds.max_bytes
        else:
            each = named[bounds.kind] if bounds.kind in named else _WIDTHS.get(bounds.kind, _VARINT)
        if bounds.is_array:
            if bounds.max_items is None:
                raise TypeError(f"{schema['name']}.{bounds.name} has no maxItems")
            each = each * bounds.max_items + 3 * _VARINT
        total += (bounds.max_total_bytes or each) + (1 if bounds.is_nullable else 0)
    return total


def text_limits(layout: Layout, bounds: Mapping[str, Bounds]) -> NDArray[np.int64]:
    """int64[spans of the layout]: the most bytes of each text, and of each array as it stands in a
    frame.

    UNBOUNDED where none are declared. An array's is that of its items in blocks of one, so that a
    little more may pass.
    """
    out = np.full(max(layout.bank_rows[3], 1), UNBOUNDED, np.int64)
    for field in layout.fields:
        mine = bounds[field.name]
        if field.kind == TEXT and mine.max_bytes is not None:
            out[field.bank_row] = mine.max_bytes
        elif mine.is_array and mine.max_items is not None:
            item = (
                _VARINT + mine.max_bytes
                if mine.max_bytes is not None
                else _WIDTHS.get(mine.kind, _VARINT) * max(len(field.columns), 1)
            )
            out[field.bank_row] = mine.max_items * (item + 2 * _VARINT) + 3 * _VARINT
    return out


class ColumnBounds:
    """Checks decoded columns of a flat contract against its bounds; shapes (`pattern`) are left to
    who needs them.

    Equal to `fault_of` record by record.
    """

    def __init__(self, name: str, layout: Layout) -> None:
        self._bounds = bounds_of(name)
        self._limits = text_limits(layout, self._bounds)[:, None]
        self._lists = [
            (layout.field(each.name), each)
            for each in self._bounds.values()
            if each.is_array and each.said()
        ]

    def broken(self, columns: Columns) -> NDArray[np.bool_]:
        """True where a decoded record has a text that is too long or too short, or a number out of
        its range.
        """
        out = (columns.lengths > self._limits).any(axis=0)
        for bounds in self._bounds.values():
            if bounds.min_bytes and not bounds.is_nullable:
                out |= columns.span(bounds.name)[1] < bounds.min_bytes
            if bounds.minimum is None and bounds.maximum is None:
                continue
            here = columns.is_null(bounds.name) == 0
            if bounds.minimum is not None:
                out |= here & (columns.numbers(bounds.name) < bounds.minimum)
            if bounds.maximum is not None:
                out |= here & (columns.numbers(bounds.name) > bounds.maximum)
        for field, bounds in self._lists:
            starts, lengths = columns.span(bounds.name)
            most = (bounds.max_items, bounds.max_bytes, bounds.max_total_bytes)
            list_bounds_kernel(
                columns.data,
                starts,
                lengths,
                field.kind,
                len(field.columns),
                *(UNBOUNDED if each is None else each for each in most),
                out,
            )
        found: NDArray[np.bool_] = out & (columns.status == 0)
        return found

    def why(self, columns: Columns, row: int) -> str:
        """The first field of a row that breaks a bound, and the bound in words; empty where none
        does.
        """
        for bounds in self._bounds.values():
            if columns.is_null(bounds.name)[row]:
                continue
            if bounds.kind in _TEXTS and not bounds.is_array:
                value, least, most = (
                    columns.span(bounds.name)[1][row],
                    bounds.min_bytes,
                    bounds.max_bytes,
                )
            elif bounds.minimum is not None or bounds.maximum is not None:
                value, least, most = columns.numbers(bounds.name)[row], *bounds.range
            else:
                continue
            if value < least or (most is not None and value > most):
                return (
                    f"{bounds.name} is {value:,}{' bytes' if bounds.kind in _TEXTS else ''}, "
                    f"not {bounds.said()}"
                )
        return ""


def decoded(codec: Codec, frame: bytes | None) -> dict[str, Any]:
    """One record, as `Codec.decode` gives it; Rejected as well where it breaks a bound of its
    contract.
    """
    if frame is not None and len(frame) > _most_bytes(codec.contract.name):
        frame_schema_id(frame)
        raise Rejected(
            reason="too_large",
            detail=f"{len(frame):,} bytes: no {codec.contract.name} is that large",
        )
    record = codec.decode(frame)
    if why := fault_of(codec.contract.name, record):
        raise Rejected(reason="out_of_bounds", detail=why)
    return record


@cache
def _most_bytes(name: str) -> int:
    """Of a frame, of another writer's schema too: such a writer may have fields that we do not
    know.
    """
    return max(2 * largest_frame(name), MAX_FRAME_BYTES)


@cache
def _texts_and_lists(name: str) -> tuple[tuple[str, int, int], ...] | None:
    """Of each bounded field its name, its most bytes, and its most items; None with other bounds
    than these.
    """
    out = []
    for each in bounds_of(name).values():
        if each.min_bytes or each.max_total_bytes or each.range != (-UNBOUNDED, UNBOUNDED):
            return None
        if each.said():
            most = UNBOUNDED if each.max_bytes is None else each.max_bytes
            out.append((each.name, most, UNBOUNDED if each.max_items is None else each.max_items))
    return tuple(out)


def _surely_fits(name: str, record: Mapping[str, Any]) -> bool:
    """True where all is ASCII and within its bound: most records, at a third of the cost."""
    fields = _texts_and_lists(name)
    if fields is None:
        return False
    for field, most, most_items in fields:
        value = record[field]
        if type(value) is str:
            if len(value) > most or not value.isascii():
                return False
        elif value:
            if len(value) > most_items or type(value) is bytes:
                return False
            if type(value[0]) is str and (
                max(map(len, value)) > most or not all(map(str.isascii, value))
            ):
                return False
    return True


def fault_of(name: str, record: Mapping[str, Any]) -> str:
    """The first field of a decoded record that breaks a bound of its contract, in words; empty
    where none does.
    """
    if _surely_fits(name, record):
        return ""
    for bounds in bounds_of(name).values():
        value = record[bounds.name]
        if value is None:
            continue
        items = value if bounds.is_array else [value]
        if bounds.max_items is not None and len(items) > bounds.max_items:
            return f"{bounds.name} has {len(items):,} items, not {bounds.said()}"
        if bounds.kind in _TEXTS:
            sizes = [len(each) if isinstance(each, bytes) else len(each.encode()) for each in items]
            most = UNBOUNDED if bounds.max_bytes is None else bounds.max_bytes
            if wrong := [size for size in sizes if not bounds.min_bytes <= size <= most]:
                return f"{bounds.name} has {wrong[0]:,} bytes, not {bounds.said()}"
            if bounds.max_total_bytes is not None and sum(sizes) > bounds.max_total_bytes:
                return f"{bounds.name} has {sum(sizes):,} bytes, not {bounds.said()}"
        elif bounds.minimum is not None or bounds.maximum is not None:
            least, most = bounds.range
            if any(not least <= each <= most for each in items):
                return f"{bounds.name} is {value}, not {bounds.said()}"
    return ""
