"""Reads a mapping from its YAML file, and says which key of it is wrong."""

import codecs
import math
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR, contract
from riskstream.runtime.causes import cause
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.declared import (
    DELAY_DAYS,
    KNOWN_AT,
    UNITS_MS,
    Clock,
    Mapping,
    Source,
    Written,
)

MAX_DELAY_DAYS = 36_500
_SECTIONS = {"file", "transaction", "label"}
_LAYOUT = ("separator", "quote", "encoding", "columns", "sheet")
_DEFAULTS = ("decimal", "thousands", "zone", "empty")
"""Keys of the section `file` that hold for each field that does not say otherwise."""
_KEYS: dict[str, tuple[type, ...]] = {
    "column": (str,),
    "columns": (list,),
    "value": (str, int, type(None)),
    "row": (bool,),
    "prefix": (str,),
    "scale": (int, float),
    "major": (bool,),
    "round": (bool,),
    "integer": (bool,),
    "negative": (str,),
    "decimal": (str,),
    "thousands": (str,),
    "symbol": (str,),
    "format": (str,),
    "zone": (str,),
    "unit": (str,),
    "start": (object,),
    "values": (dict,),
    "empty": (list,),
}
_SEPARATORS = (".", ",", " ", "'", "\u2019", "\u00a0", "\u202f")


def default_mapping(names: Collection[str]) -> Mapping:
    """The contract's own names, with is_fraud and label_known_at: what `simulate` writes.

    Of a file that has the columns `names`: fields with a default and the label may be missing
    there. Without label_known_at a label is known after 7 days.
    """
    schema = contract("transaction.v1").schema["fields"]
    needed = {each["name"] for each in schema if "default" not in each} - {"base_amount_minor"}
    fields = {
        each["name"]: Source(columns=(each["name"],))
        for each in schema
        if each["name"] in needed.union(names)
    }
    fields.setdefault("base_amount_minor", fields["amount_minor"])
    return Mapping(
        left_empty=tuple(each["name"] for each in schema if each["name"] not in fields),
        fields=fields,
        is_fraud=Source(columns=("is_fraud",)) if "is_fraud" in names else None,
        known_at=Source(columns=(KNOWN_AT,)) if KNOWN_AT in names else None,
        delay_ms=0 if KNOWN_AT in names else DELAY_DAYS * DAY_MS,
    )


def read_mapping(path: Path) -> Mapping:
    """A mapping from its YAML file; Fatal (exit 2) naming the key that is wrong."""
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise _wrong(path, f"it cannot be read: {cause(error)}") from error
    return parsed(text, path)


def parsed(text: str, path: Path) -> Mapping:
    """A mapping from its text; `path` is named where it is wrong."""
    try:
        data = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _wrong(path, f"it cannot be read: {cause(error)}") from error
    if not isinstance(data, dict) or not isinstance(data.get("transaction"), dict):
        raise _wrong(path, "it has no section `transaction`")
    if unknown := set(data) - _SECTIONS:
        raise _wrong(path, f"unknown section {_first(unknown)}")
    reader = _Reader(path, data.get("file") or {})
    schema = {field["name"]: field for field in contract("transaction.v1").schema["fields"]}
    if unknown := set(data["transaction"]) - set(schema):
        raise _wrong(path, f"transaction.{_first(unknown)} is no field of the contract")
    fields = {
        name: reader.source(f"transaction.{name}", value)
        for name, value in data["transaction"].items()
    }
    for name, source in fields.items():
        if source.is_constant and not _may_be(source.value, schema[name]["type"]):
            raise _wrong(
                path,
                f"transaction.{name}.value is {source.value!r}, which the contract does not take",
            )
    if "amount_minor" in fields and "base_amount_minor" not in fields:
        fields["base_amount_minor"] = fields["amount_minor"]
    needed = [
        name for name, field in schema.items() if "default" not in field and name not in fields
    ]
    if needed:
        raise _wrong(path, f"transaction.{needed[0]} is missing and has no default")
    _check_kinds(path, fields, schema)
    return Mapping(
        fields=fields, layout=reader.layout, **_label(path, reader, data.get("label") or {})
    )


def _check_kinds(path: Path, fields: dict[str, Source], schema: dict[str, Any]) -> None:
    kinds = schema["kind"]["type"]["symbols"]
    for name, source in fields.items():
        if source.negative and source.negative not in kinds:
            raise _wrong(
                path,
                f"transaction.{name}.negative is {source.negative}, none of {', '.join(kinds)}",
            )
        kind = schema[name]["type"]
        symbols: list[str] = kind.get("symbols", []) if isinstance(kind, dict) else []
        for word, means in source.values if symbols else ():
            if means is not None and means not in symbols:
                raise _wrong(
                    path,
                    f"transaction.{name}.values.{word} is {means!r}, none of {', '.join(symbols)}",
                )


def _label(path: Path, reader: "_Reader", label: Any) -> dict[str, Any]:
    """The section `label`, as fields of a Mapping."""
    if not isinstance(label, dict):
        raise _wrong(path, f"label is {label!r}, no section")
    if unknown := set(label) - {"is_fraud", "known_at", "delay_days"}:
        raise _wrong(path, f"label.{_first(unknown)} is unknown")
    days = label.get("delay_days", DELAY_DAYS)
    if not _is_number(days) or not 0 <= days <= MAX_DELAY_DAYS:
        raise _wrong(
            path, f"label.delay_days is {days!r}, not a number from 0 to {MAX_DELAY_DAYS:,}"
        )
    out: dict[str, Any] = {"delay_ms": int(days * DAY_MS)}
    for name in ("is_fraud", "known_at"):
        if label.get(name) is None:
            continue
        out[name] = reader.source(f"label.{name}", label[name])
        if not out[name].columns:
            raise _wrong(path, f"label.{name} needs a column")
    if "is_fraud" in out:
        for word, means in out["is_fraud"].values:
            if means not in (True, False, None):
                raise _wrong(
                    path, f"label.is_fraud.values.{word} is {means!r}, not true, false or null"
                )
    return out


class _Reader:
    """Reads sources, with the defaults of the section `file`."""

    def __init__(self, path: Path, section: Any) -> None:
        self._path = path
        if not isinstance(section, dict):
            raise _wrong(path, f"file is {section!r}, no section")
        if unknown := set(section) - {*_LAYOUT, *_DEFAULTS}:
            raise _wrong(path, f"file.{_first(unknown)} is unknown")
        self._defaults = {name: section[name] for name in _DEFAULTS if name in section}
        self.layout = self._layout({name: section[name] for name in _LAYOUT if name in section})

    def _layout(self, section: dict[str, Any]) -> Layout:
        columns = section.pop("columns", [])
        if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
            raise _wrong(self._path, "file.columns is no list of names")
        for name, value in section.items():
            if not isinstance(value, str):
                raise _wrong(self._path, f"file.{name} is {value!r}, no text: write it in quotes")
        named = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|"}
        section["separator"] = named.get(section.get("separator", ""), section.get("separator", ""))
        for name in ("separator", "quote"):
            value = section.get(name, "")
            if value not in ("", "none") and (len(value) != 1 or not value.isascii()):
                raise _wrong(self._path, f"file.{name} is {value!r}, not one ASCII character")
        if encoding := section.get("encoding"):
            try:
                codecs.lookup(encoding)
            except LookupError as error:
                raise _wrong(self._path, f"file.encoding {encoding} is not known") from error
        return Layout(columns=tuple(columns), **section)

    def source(self, key: str, value: Any) -> Source:
        """One source. Fatal where a key of it is unknown or has no such value."""
        if not isinstance(value, dict):
            value = {"column": value}
        if unknown := set(value) - set(_KEYS):
            raise _wrong(self._path, f"{key}.{_first(unknown)} is unknown")
        origins = [name for name in ("column", "columns", "value", "row") if name in value]
        if len(origins) != 1:
            raise _wrong(self._path, f"{key} needs either column, columns, value or row")
        for name, given in value.items():
            self._check_type(f"{key}.{name}", name, given)
        known = {**self._defaults, **value}
        columns = known.get("columns") or ([known["column"]] if "column" in known else [])
        if not all(isinstance(each, str) for each in columns):
            raise _wrong(self._path, f"{key}.columns is no list of names")
        return Source(
            columns=tuple(columns),
            value=value.get("value"),
            is_row=value.get("row", False),
            prefix=value.get("prefix", ""),
            scale=Decimal(str(value.get("scale", 1))),
            is_major=value.get("major", False),
            is_rounded=value.get("round", False),
            is_integer=value.get("integer", False),
            negative=value.get("negative", ""),
            written=self._written(key, known),
            clock=self._clock(key, known),
            values=tuple((_word(each), means) for each, means in value.get("values", {}).items()),
            empty=tuple(_word(each) for each in known.get("empty", [])),
        )

    def _check_type(self, key: str, name: str, given: Any) -> None:
        kinds = _KEYS[name]
        is_bool = isinstance(given, bool)
        is_fit = isinstance(given, kinds) and not (
            is_bool and bool not in kinds and name != "start"
        )
        if name == "scale":
            is_fit = _is_number(given) and given != 0
        if not is_fit:
            quoted = ": write it in quotes" if str in kinds else ""
            said = {bool: "true or false", str: "text", list: "list", dict: "table"}
            what = said.get(kinds[0], "number")
            raise _wrong(self._path, f"{key} is {given!r}, no {what}{quoted}")

    def _written(self, key: str, known: dict[str, Any]) -> Written:
        point, between = known.get("decimal", ""), known.get("thousands", "")
        for name, value, allowed in (
            ("decimal", point, (".", ",")),
            ("thousands", between, _SEPARATORS),
        ):
            if value and value not in allowed:
                raise _wrong(self._path, f"{key}.{name} is {value!r}, none of {' '.join(allowed)}")
        if between and (point or ".") == between:
            if point:
                raise _wrong(self._path, f"{key}: decimal and thousands are both {between!r}")
            point = ","
        return Written(decimal=point, thousands=between, symbol=known.get("symbol", ""))

    def _clock(self, key: str, known: dict[str, Any]) -> Clock:
        unit, zone = known.get("unit", ""), known.get("zone", "UTC")
        if unit and unit not in UNITS_MS:
            raise _wrong(self._path, f"{key}.unit is {unit}, none of {', '.join(UNITS_MS)}")
        try:
            ZoneInfo(zone)
        except (ValueError, OSError) as error:
            raise _wrong(self._path, f"{key}.zone {zone} is no name like Europe/Berlin") from error
        return Clock(
            format=known.get("format", ""),
            zone=zone,
            unit=unit,
            start_ms=self._start(key, known["start"]) if "start" in known else 0,
        )

    def _start(self, key: str, given: Any) -> int:
        try:
            at = datetime.fromisoformat(str(given))
        except ValueError as error:
            raise _wrong(self._path, f"{key}.start is {given}, no date like 2020-01-31") from error
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(at.timestamp() * 1000)


def with_layout(mapping: Mapping, layout: Layout) -> Mapping:
    """The mapping for a file that is written so."""
    return replace(mapping, layout=layout)


def _word(given: Any) -> str:
    """A key of `values` as a file has it: YAML reads `Yes` as true, 5411 as a number."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return "" if given is None else str(given)


def _may_be(value: Any, kind: Any) -> bool:
    """Whether one value for all rows is of a field's type: a text, a symbol, a whole number of 0 to
    10^13, or null.
    """
    if isinstance(kind, list):
        return value is None or any(_may_be(value, each) for each in kind if each != "null")
    if kind == "string":
        return isinstance(value, str)
    if isinstance(kind, dict) and kind["type"] == "enum":
        return value in kind["symbols"]
    return type(value) is int and 0 <= value <= MAX_AMOUNT_MINOR


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _first(names: set[Any]) -> str:
    return min(map(str, names))


def _wrong(path: Path, what: str) -> Fatal:
    return Fatal(
        what=f"the mapping is wrong: {what}",
        where=str(path),
        do="see docs/data.md",
        exit_code=Exit.INPUT,
    )
