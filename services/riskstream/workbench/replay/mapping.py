"""The mapping file: which column of a file becomes which field of the contracts."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR, contract
from riskstream.domain.risk.features.declare import LABEL_DELAY_MS
from riskstream.runtime.causes import cause
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal

UNITS_MS = {"s": 1000, "ms": 1}
DELAY_DAYS, MAX_DELAY_DAYS = LABEL_DELAY_MS // DAY_MS, 36_500
KNOWN_AT = "label_known_at"
_FIELD_KEYS = {"column", "value", "scale", "unit", "prefix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a field comes from: a column (times `scale`, or an instant in `unit`, or behind
    `prefix`) or one value.
    """

    column: str | None = None
    value: Any = None
    scale: float = 1
    unit: str = "ms"
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """`fields` of the transaction by name; for the label a fraud column, and a known-at source or a
    delay.

    `left_empty`: fields that were looked for by the contract's own name and are not in the file.
    """

    fields: dict[str, Source]
    is_fraud: str | None
    known_at: Source | None
    delay_ms: int
    left_empty: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file that are read."""
        used = [each.column for each in self.fields.values() if each.column]
        used += [
            each
            for each in (self.is_fraud, self.known_at.column if self.known_at else None)
            if each
        ]
        return tuple(dict.fromkeys(used))


def default_mapping(names: Collection[str]) -> Mapping:
    """The contract's own names, with is_fraud and label_known_at: what `simulate` writes.

    Of a file that has the columns `names`: fields with a default and the label may be missing
    there. Without label_known_at a label is known after 7 days.
    """
    schema = contract("transaction.v1").schema["fields"]
    needed = {each["name"] for each in schema if "default" not in each} - {"base_amount_minor"}
    fields = {
        each["name"]: Source(column=each["name"])
        for each in schema
        if each["name"] in needed.union(names)
    }
    fields.setdefault("base_amount_minor", fields["amount_minor"])
    return Mapping(
        left_empty=tuple(each["name"] for each in schema if each["name"] not in fields),
        fields=fields,
        is_fraud="is_fraud" if "is_fraud" in names else None,
        known_at=Source(column=KNOWN_AT) if KNOWN_AT in names else None,
        delay_ms=0 if KNOWN_AT in names else DELAY_DAYS * DAY_MS,
    )


def read_mapping(path: Path) -> Mapping:
    """A mapping from its YAML file; Fatal (exit 2) naming the key that is wrong."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _wrong(path, f"it cannot be read: {cause(error)}") from error
    if not isinstance(data, dict) or not isinstance(data.get("transaction"), dict):
        raise _wrong(path, "it has no section `transaction`")
    if unknown := set(data) - {"transaction", "label"}:
        raise _wrong(path, f"unknown section {_first(unknown)}")
    schema = {field["name"]: field for field in contract("transaction.v1").schema["fields"]}
    if unknown := set(data["transaction"]) - set(schema):
        raise _wrong(path, f"transaction.{_first(unknown)} is no field of the contract")
    fields = {
        name: _source(path, f"transaction.{name}", value)
        for name, value in data["transaction"].items()
    }
    for name, source in fields.items():
        if source.column is None and not _may_be(source.value, schema[name]["type"]):
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
    return Mapping(fields=fields, **_label(path, data.get("label") or {}))


def _label(path: Path, label: Any) -> dict[str, Any]:
    """The section `label`, as fields of a Mapping."""
    if not isinstance(label, dict):
        raise _wrong(path, f"label is {label!r}, no section")
    if unknown := set(label) - {"is_fraud", "known_at", "delay_days"}:
        raise _wrong(path, f"label.{_first(unknown)} is unknown")
    is_fraud, days = label.get("is_fraud"), label.get("delay_days", DELAY_DAYS)
    if not isinstance(is_fraud, str | None):
        raise _wrong(path, f"label.is_fraud is {is_fraud!r}, no name of a column")
    if not _is_number(days) or not 0 <= days <= MAX_DELAY_DAYS:
        raise _wrong(
            path, f"label.delay_days is {days!r}, not a number from 0 to {MAX_DELAY_DAYS:,}"
        )
    known_at = _source(path, "label.known_at", label["known_at"]) if "known_at" in label else None
    if known_at is not None and known_at.column is None:
        raise _wrong(path, "label.known_at needs a column")
    return {"is_fraud": is_fraud, "known_at": known_at, "delay_ms": int(days * DAY_MS)}


def _source(path: Path, key: str, value: Any) -> Source:
    if not isinstance(value, dict):
        value = {"column": value}
    if unknown := set(value) - _FIELD_KEYS:
        raise _wrong(path, f"{key}.{_first(unknown)} is unknown")
    if ("column" in value) == ("value" in value):
        raise _wrong(path, f"{key} needs either column or value")
    for name in ("column", "prefix"):
        if not isinstance(value.get(name, ""), str):
            raise _wrong(path, f"{key}.{name} is {value[name]!r}, no text: write it in quotes")
    if not _is_number(value.get("scale", 1)):
        raise _wrong(path, f"{key}.scale is {value['scale']!r}, not a number")
    if str(value.get("unit", "ms")) not in UNITS_MS:
        raise _wrong(path, f"{key}.unit is {value['unit']}, not {' or '.join(UNITS_MS)}")
    return Source(**value)


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
        what=f"the mapping is wrong: {what}", where=str(path), do="see docs/replay.md", exit_code=2
    )
