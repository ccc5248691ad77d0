"""Reads from a mapping where a field comes from, and how the file is written."""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from riskstream.domain.risk.rules.names import RuleError
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.opened import is_encoding
from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.declared import UNITS_MS, Clock, Computed, Source, Written
from riskstream.workbench.mapping.expressions import computed_by

_SECTIONS = {"file", "transaction", "label"}
_LAYOUT = ("separator", "quote", "encoding", "columns", "sheet")
_DEFAULTS = ("decimal", "thousands", "zone", "empty")
"""Keys of the section `file` that hold for each field that does not say otherwise."""
_KEYS: dict[str, tuple[type, ...]] = {
    "column": (str,),
    "columns": (list,),
    "value": (str, int, type(None)),
    "row": (bool,),
    "expression": (str,),
    "names": (dict,),
    "prefix": (str,),
    "scale": (int, float),
    "major": (bool,),
    "round": (bool,),
    "integer": (bool,),
    "trim": (bool,),
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
_ORIGINS = ("column", "columns", "value", "row", "expression")
_SEPARATORS = (".", ",", " ", "'", "\u2019", "\u00a0", "\u202f", "\u2009")


def sections_of(text: str, path: Path) -> dict[str, Any]:
    """The sections of a mapping. Fatal where it is no YAML, or has another one."""
    try:
        data = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise wrong(path, f"it cannot be read: {cause(error)}") from error
    if not isinstance(data, dict):
        raise wrong(path, "it has no section `transaction`")
    if unknown := set(data) - _SECTIONS:
        raise wrong(path, f"unknown section {first(unknown)}")
    return data


class SourceReader:
    """Reads sources, with the defaults of the section `file`."""

    def __init__(self, path: Path, section: Any) -> None:
        self._path = path
        if not isinstance(section, dict):
            raise wrong(path, f"file is {section!r}, no section")
        if unknown := set(section) - {*_LAYOUT, *_DEFAULTS}:
            raise wrong(path, f"file.{first(unknown)} is unknown")
        self._defaults = {name: section[name] for name in _DEFAULTS if name in section}
        self.layout = self._layout({name: section[name] for name in _LAYOUT if name in section})

    def _layout(self, section: dict[str, Any]) -> Layout:
        columns = section.pop("columns", [])
        if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
            raise wrong(self._path, "file.columns is no list of names")
        for name, value in section.items():
            if not isinstance(value, str):
                raise wrong(self._path, f"file.{name} is {value!r}, no text: write it in quotes")
        named = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|"}
        section["separator"] = named.get(section.get("separator", ""), section.get("separator", ""))
        for name in ("separator", "quote"):
            value = section.get(name, "")
            if value in ("", "none"):
                continue
            if len(value) != 1 or not value.isascii() or value.isalnum() or value in "\r\n\0":
                raise wrong(self._path, f"file.{name} is {value!r}, not one ASCII character")
        quote = section.get("quote") or '"'
        if section["separator"] == quote:
            raise wrong(self._path, f"file.separator and file.quote are both {quote}")
        if (encoding := section.get("encoding")) and not is_encoding(encoding):
            raise wrong(self._path, f"file.encoding {encoding} is not known")
        return Layout(columns=tuple(columns), **section)

    def source(self, key: str, value: Any) -> Source:
        """One source. Fatal where a key of it is unknown or has no such value."""
        if not isinstance(value, dict):
            value = {"column": value}
        if unknown := set(value) - set(_KEYS):
            raise wrong(self._path, f"{key}.{first(unknown)} is unknown")
        origins = [name for name in _ORIGINS if name in value]
        if len(origins) != 1 or ("names" in value and origins != ["expression"]):
            raise wrong(self._path, f"{key} needs one of {', '.join(_ORIGINS)}")
        for name, given in value.items():
            self._check_type(f"{key}.{name}", name, given)
        known = {**self._defaults, **value}
        columns = known.get("columns") or ([known["column"]] if "column" in known else [])
        if not all(isinstance(each, str) for each in columns):
            raise wrong(self._path, f"{key}.columns is no list of names")
        computed = self._computed(key, value) if "expression" in value else None
        if computed is not None:
            columns = dict.fromkeys(column for _, column in computed.columns)
        return Source(
            columns=tuple(columns),
            computed=computed,
            value=value.get("value"),
            is_row=value.get("row", False),
            prefix=value.get("prefix", ""),
            scale=Decimal(str(value.get("scale", 1))),
            is_major=value.get("major", False),
            is_rounded=value.get("round", False),
            is_integer=value.get("integer", False),
            is_trimmed=value.get("trim", False),
            negative=value.get("negative", ""),
            written=self._written(key, known),
            clock=self._clock(key, known),
            values=tuple((_word(each), means) for each, means in value.get("values", {}).items()),
            empty=tuple(_word(each) for each in known.get("empty", [])),
        )

    def _computed(self, key: str, value: dict[str, Any]) -> Computed:
        names = value.get("names", {})
        if not all(isinstance(each, str) for pair in names.items() for each in pair):
            raise wrong(self._path, f"{key}.names is no table of names and columns")
        try:
            return computed_by(value["expression"], names)
        except RuleError as error:
            raise wrong(self._path, f"{key}.expression: {error}") from error

    def _check_type(self, key: str, name: str, given: Any) -> None:
        kinds = _KEYS[name]
        is_bool = isinstance(given, bool)
        is_fit = isinstance(given, kinds) and not (
            is_bool and bool not in kinds and name != "start"
        )
        if name == "scale":
            is_fit = is_number(given) and given != 0
        if not is_fit:
            quoted = ": write it in quotes" if str in kinds else ""
            said = {bool: "true or false", str: "text", list: "list", dict: "table"}
            what = said.get(kinds[0], "number")
            raise wrong(self._path, f"{key} is {given!r}, no {what}{quoted}")

    def _written(self, key: str, known: dict[str, Any]) -> Written:
        point, between = known.get("decimal", ""), known.get("thousands", "")
        for name, value, allowed in (
            ("decimal", point, (".", ",")),
            ("thousands", between, _SEPARATORS),
        ):
            if value and value not in allowed:
                raise wrong(self._path, f"{key}.{name} is {value!r}, none of {' '.join(allowed)}")
        if between and (point or ".") == between:
            if point:
                raise wrong(self._path, f"{key}: decimal and thousands are both {between!r}")
            point = ","
        symbol = known.get("symbol", "")
        if re.search(r"[-+()0-9.,\s]", symbol):
            raise wrong(self._path, f"{key}.symbol is {symbol!r}, which may be part of a number")
        return Written(decimal=point, thousands=between, symbol=symbol)

    def _clock(self, key: str, known: dict[str, Any]) -> Clock:
        unit, zone = known.get("unit", ""), known.get("zone", "UTC")
        if unit and unit not in UNITS_MS:
            raise wrong(self._path, f"{key}.unit is {unit}, none of {', '.join(UNITS_MS)}")
        try:
            ZoneInfo(zone)
        except (ValueError, KeyError, OSError) as error:  # an unknown zone is a KeyError
            raise wrong(self._path, f"{key}.zone {zone} is no name like Europe/Berlin") from error
        if why := _why_no_format(known.get("format", "")):
            raise wrong(self._path, f"{key}.format {known['format']!r} {why}")
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
            raise wrong(self._path, f"{key}.start is {given}, no date like 2020-01-31") from error
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(at.timestamp() * 1000)


def _why_no_format(form: str) -> str:
    """What is wrong with a format of strptime; empty where nothing is."""
    try:
        datetime.strptime("", form)
    except re.error:
        return "names a part twice"
    except ValueError as error:
        said = str(error)
        if "bad directive" in said or "stray %" in said:
            return "has a letter that strptime does not know"
    return ""


def _word(given: Any) -> str:
    """A key of `values` as a file has it: YAML reads `Yes` as true, 5411 as a number."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return "" if given is None else str(given)


def is_number(value: Any) -> bool:
    """Whether YAML gave a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def first(names: set[Any]) -> str:
    """The name that is told of several."""
    return min(map(str, names))


def wrong(path: Path, what: str) -> Fatal:
    """The refusal of a mapping."""
    return Fatal(
        what=f"the mapping is wrong: {what}",
        where=str(path),
        do="see docs/data.md",
        exit_code=Exit.INPUT,
    )
