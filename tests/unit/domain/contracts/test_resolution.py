"""Writers' schemas that moved on: the columnar decoder reads what Avro's rules allow as fastavro
does, or refuses the plan.
"""

import io
import json
import struct
from typing import Any

import avro.schema
import fastavro
import numpy as np
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstream.domain.contracts.catalog import Contract, schema_id
from riskstream.domain.contracts.codec import Codec
from riskstream.domain.contracts.columns import REASONS, ColumnDecoder
from riskstream.domain.contracts.resolution import Incompatible, problems
from riskstream.runtime.errors import Rejected

PROMOTIONS = [
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
]
PRIMITIVES = ["boolean", "int", "long", "float", "double", "string", "bytes"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(width=32, allow_nan=False),
    "string": st.text(max_size=80),
    "bytes": st.text(max_size=80).map(str.encode),
}


def _record(fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": fields, **more}


def _enum(name: str, symbols: list[str], default: str | None = "U") -> dict[str, Any]:
    return {
        "type": "enum",
        "name": name,
        "symbols": symbols,
        **({"default": default} if default else {}),
    }


def _contract(reader: dict[str, Any], writer: dict[str, Any]) -> Contract:
    versions = {schema_id(reader): reader, schema_id(writer): writer}
    return Contract(name="r.v1", schema=reader, id=schema_id(reader), versions=versions)


def _frame(writer: dict[str, Any], value: dict[str, Any]) -> bytes:
    out = io.BytesIO(struct.pack(">bI", 0, schema_id(writer)))
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(writer))), value)
    return out.getvalue()


def values(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of(*map(values, schema))
    if isinstance(schema, str):
        return VALUES[schema]
    kind = schema["type"]
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "array":
        return st.lists(values(schema["items"]), max_size=4)
    if kind == "map":
        return st.dictionaries(st.text(max_size=5), values(schema["values"]), max_size=3)
    if kind == "fixed":
        return st.binary(min_size=schema["size"], max_size=schema["size"])
    if kind == "record":
        return st.fixed_dictionaries(
            {field["name"]: values(field["type"]) for field in schema["fields"]}
        )
    return values(kind)


@st.composite
def removed_types(draw: st.DrawFn, name: str, depth: int = 2) -> Any:
    """Any type at all, for a field that the reader has no more."""
    kinds = [*PRIMITIVES, "enum", "fixed"] + (["array", "map", "record", "union"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "enum":
        return _enum(name, ["U", "A"])
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": draw(st.integers(1, 9))}
    if kind == "array":
        return {"type": "array", "items": draw(removed_types(f"{name}a", depth - 1))}
    if kind == "map":
        return {"type": "map", "values": draw(removed_types(f"{name}m", depth - 1))}
    if kind == "record":
        inner = [
            {"name": "x", "type": draw(removed_types(f"{name}r", depth - 1))},
            {"name": "y", "type": "long"},
        ]
        return {"type": "record", "name": name, "fields": inner}
    if kind == "union":
        return ["null", draw(removed_types(f"{name}u", 0)), {"type": "map", "values": "long"}]
    return kind


DEFAULTS: dict[str, Any] = {
    "boolean": True,
    "int": -3,
    "long": 2**40,
    "float": 0.5,
    "double": 1,
    "string": "dé",
    "bytes": "\u00ff\u0001",
}


@st.composite
def field_pairs(draw: st.DrawFn, name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """(reader's field, writer's field) of a flat contract: kept, moved on, added or removed."""
    how = draw(
        st.sampled_from(["kept", "promoted", "enum", "array", "added", "removed", "wide", "narrow"])
    )
    mine: Any
    theirs: Any
    if how == "removed":
        return None, {"name": name, "type": draw(removed_types(f"N{name}"))}
    if how == "enum":
        mine, theirs = (
            _enum(f"E{name}", ["U", "A", "B"]),
            _enum(f"E{name}", draw(st.permutations(["U", "B", "C", "A"]))),
        )
        pair: tuple[Any, Any] = (mine, theirs)
    elif how == "array":
        pair = draw(
            st.sampled_from(
                [
                    ("long", "int"),
                    ("float", "long"),
                    ("float", "float"),
                    ("string", "bytes"),
                    ("string", "string"),
                ]
            )
        )
        pair = {"type": "array", "items": pair[0]}, {"type": "array", "items": pair[1]}
    else:
        kind = draw(st.sampled_from(PRIMITIVES))
        pair = kind, kind
    if how == "promoted":
        pair = draw(st.sampled_from(PROMOTIONS))[::-1]
    mine, theirs = pair
    if how == "added":
        if draw(st.booleans()):
            return {"name": name, "type": ["null", mine], "default": None}, None
        if draw(st.booleans()):
            return {
                "name": name,
                "type": {"type": "array", "items": "string"},
                "default": ["é", "b"],
            }, None
        return {"name": name, "type": mine, "default": DEFAULTS[mine]}, None
    if how == "wide" or (how in ("promoted", "enum") and draw(st.booleans())):
        mine = list(draw(st.permutations(["null", mine])))
        theirs = draw(
            st.sampled_from([theirs, ["null", theirs], [theirs, "null"], [theirs], "null"])
        )
    if how == "narrow":
        mine = ["null", mine]
        others = [each for each in ("int", "long") if each != theirs]
        theirs = ["null", theirs, *draw(st.sampled_from([[], others]))]
    reader: dict[str, Any] = {"name": name, "type": mine}
    writer = {"name": name, "type": theirs}
    if draw(st.booleans()):
        writer["name"] = f"old_{name}"
        reader["aliases"] = ["other", f"old_{name}"]
    return reader, writer


@st.composite
def schema_pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    pairs = [draw(field_pairs(f"f{at}")) for at in range(draw(st.integers(1, 6)))]
    mine = [reader for reader, _ in pairs if reader]
    theirs = draw(st.permutations([writer for _, writer in pairs if writer]))
    reader, writer = _record(mine), _record(list(theirs))
    if draw(st.booleans()):
        writer["name"] = "Former"
        reader["aliases"] = ["Former"]
    return reader, writer


def _avro_says(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    mine, theirs = (avro.schema.parse(json.dumps(each)) for each in (reader, writer))
    found = ReaderWriterCompatibilityChecker().get_compatibility(mine, theirs).compatibility
    return bool(found is SchemaCompatibilityType.compatible)


def _single(reader: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """The record with its floats of 4 bytes as 4 bytes hold them: fastavro keeps the promoted
    number.
    """

    def of(schema: Any, value: Any) -> Any:
        if isinstance(schema, list):
            return (
                None
                if value is None
                else of(next(each for each in schema if each != "null"), value)
            )
        if isinstance(schema, dict) and schema["type"] == "array":
            return [of(schema["items"], each) for each in value]
        return float(np.float32(value)) if schema == "float" else value

    return {field["name"]: of(field["type"], record[field["name"]]) for field in reader["fields"]}


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_writers_records_read_as_fastavro_reads_them_or_not_at_all(data: st.DataObject) -> None:
    reader, writer = data.draw(schema_pairs())
    assert (problems(reader, writer) == []) == _avro_says(reader, writer)
    pair = _contract(reader, writer)
    if problems(reader, writer):
        with pytest.raises(Incompatible):
            ColumnDecoder(pair)
        with pytest.raises(Incompatible):
            Codec(pair)
        return
    written = data.draw(st.lists(values(writer), min_size=1, max_size=4))
    frames = [_frame(writer, value) for value in written]
    columns, codec = ColumnDecoder(pair).decode(frames), Codec(pair)
    assert columns.status.tolist() == [0] * len(frames)
    for index, frame in enumerate(frames):
        assert columns.record(index) == _single(reader, codec.decode(frame))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_hostile_bytes_of_an_older_schema_are_judged_and_never_read_past_the_end(
    data: st.DataObject,
) -> None:
    reader, writer = data.draw(schema_pairs())
    if problems(reader, writer):
        return
    frame = bytearray(_frame(writer, data.draw(values(writer))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(5, len(frame)))
        odd = data.draw(
            st.sampled_from(
                [
                    b"",
                    b"\xff" * 9 + b"\x01",
                    b"\xff" * 11,
                    b"\x01",
                    b"\x80",
                    b"\xfe\xff\xff\xff\x0f",
                ]
            )
        )
        frame[at:] = odd + frame[at + data.draw(st.integers(0, 3)) :]
    columns = ColumnDecoder(_contract(reader, writer)).decode([bytes(frame)])
    assert int(columns.status[0]) in (0, *REASONS)
    if columns.status[0] == 0:
        columns.record(0)


@pytest.mark.parametrize(("theirs", "mine"), PROMOTIONS)
def test_each_promotion_gives_the_value_and_leaves_its_neighbours(theirs: str, mine: str) -> None:
    value: Any = (
        7
        if theirs in ("int", "long")
        else 0.25
        if theirs == "float"
        else "é"
        if theirs == "string"
        else b"\xc3\xa9"
    )
    reader = _record(
        [{"name": n, "type": t} for n, t in (("before", "double"), ("x", mine), ("after", "long"))]
    )
    writer = _record(
        [
            {"name": n, "type": t}
            for n, t in (("after", "long"), ("x", theirs), ("before", "double"))
        ]
    )
    columns = ColumnDecoder(_contract(reader, writer)).decode(
        [_frame(writer, {"before": 1.5, "x": value, "after": 9})]
    )
    assert columns.record(0) == Codec(_contract(reader, writer)).decode(
        _frame(writer, {"before": 1.5, "x": value, "after": 9})
    )
    assert columns.record(0)["before"] == 1.5
    assert columns.record(0)["after"] == 9


@pytest.mark.parametrize("theirs", PRIMITIVES)
@pytest.mark.parametrize("mine", PRIMITIVES)
def test_what_is_no_promotion_is_refused_when_the_plan_is_made(theirs: str, mine: str) -> None:
    reader, writer = (_record([{"name": "x", "type": each}]) for each in (mine, theirs))
    allowed = theirs == mine or (theirs, mine) in PROMOTIONS
    assert allowed == _avro_says(reader, writer)
    if allowed:
        ColumnDecoder(_contract(reader, writer))
    else:
        with pytest.raises(Incompatible, match=r"/fields/x"):
            ColumnDecoder(_contract(reader, writer))


def test_a_block_with_its_size_is_skipped_and_read_alike() -> None:
    reader = _record(
        [
            {"name": "kept", "type": {"type": "array", "items": "long"}},
            {"name": "last", "type": "long"},
        ]
    )
    gone = {
        "type": "array",
        "items": {"type": "record", "name": "G", "fields": [{"name": "g", "type": "string"}]},
    }
    writer = _record([{"name": "gone", "type": gone}, *reader["fields"]])
    # (-1, 2 bytes) (-2, 2 bytes) (1)
    body = bytes([1, 4]) + b"\x02a" + b"\0" + bytes([3, 4, 2, 4, 2, 6, 0]) + b"\x0a"
    columns = ColumnDecoder(_contract(reader, writer)).decode(
        [struct.pack(">bI", 0, schema_id(writer)) + body]
    )
    assert columns.record(0) == {"kept": [1, 2, 3], "last": 5}


def test_an_array_whose_items_take_no_bytes_is_refused() -> None:
    reader = _record([{"name": "x", "type": "long"}])
    writer = _record(
        [
            {"name": "gone", "type": {"type": "array", "items": "null"}},
            {"name": "x", "type": "long"},
        ]
    )
    assert problems(reader, writer)


def test_an_instant_in_other_units_is_refused() -> None:
    reader, writer = (
        _record([{"name": "at", "type": {"type": "long", "logicalType": f"timestamp-{unit}"}}])
        for unit in ("millis", "micros")
    )
    with pytest.raises(Incompatible, match="timestamp-micros became timestamp-millis"):
        ColumnDecoder(_contract(reader, writer))


def test_a_long_text_in_an_array_is_no_bad_text_because_its_neighbour_is_not_ascii() -> None:
    reader = _record([{"name": "t", "type": {"type": "array", "items": "string"}}])
    frame = _frame(reader, {"t": ["x" * 100, "é"]})
    assert ColumnDecoder(_contract(reader, reader)).decode([frame]).record(0) == {
        "t": ["x" * 100, "é"]
    }


def test_a_field_written_under_both_names_is_read_under_its_own() -> None:
    reader = _record([{"name": "x", "type": "long", "aliases": ["old"]}])
    writer = _record([{"name": "old", "type": "long"}, {"name": "x", "type": "long"}])
    pair, frame = _contract(reader, writer), _frame(writer, {"old": 1, "x": 2})
    assert ColumnDecoder(pair).decode([frame]).record(0) == Codec(pair).decode(frame) == {"x": 2}


def test_a_record_of_something_else_is_refused_by_its_name() -> None:
    fields = [{"name": "x", "type": "long"}]
    with pytest.raises(Incompatible, match="record Other is not R"):
        ColumnDecoder(_contract(_record(fields), {**_record(fields), "name": "Other"}))


def test_a_type_that_holds_itself_is_skipped() -> None:
    node = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", "Node"]}],
    }
    reader = _record([{"name": "x", "type": "long"}])
    writer = _record([{"name": "gone", "type": node}, {"name": "x", "type": "long"}])
    frame = _frame(writer, {"gone": {"next": {"next": None}}, "x": 4})
    assert ColumnDecoder(_contract(reader, writer)).decode([frame]).record(0) == {"x": 4}
    deep = frame[:5] + b"\x02" * 5000 + b"\0\x08"
    columns = ColumnDecoder(_contract(reader, writer)).decode([deep])
    assert REASONS[int(columns.status[0])] == "truncated"
    with pytest.raises(Rejected):
        Codec(_contract(reader, writer)).decode(frame[:-1])
