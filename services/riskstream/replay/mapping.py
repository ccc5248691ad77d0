"""The mapping file: which column of a file becomes which field of the contracts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from riskstream.contracts.catalog import contract
from riskstream.runtime.errors import Fatal

UNITS_MS = {"s": 1000, "ms": 1}
_FIELD_KEYS = {"column", "value", "scale", "unit", "prefix"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a field comes from: a column (times `scale`, or an instant in `unit`, or behind `prefix`) or one value."""

    column: str | None = None
    value: Any = None
    scale: float = 1
    unit: str = "ms"
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """`fields` of the transaction by name; for the label a fraud column, and a known-at source or a delay."""

    fields: dict[str, Source]
    is_fraud: str | None
    known_at: Source | None
    delay_ms: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file that are read."""
        used = [each.column for each in self.fields.values() if each.column]
        used += [each for each in (self.is_fraud, self.known_at.column if self.known_at else None) if each]
        return tuple(dict.fromkeys(used))


def default_mapping() -> Mapping:
    """The contract's own column names, with is_fraud and label_known_at: what `simulate` writes."""
    names = [field["name"] for field in contract("transaction.v1").schema["fields"]]
    return Mapping(
        fields={name: Source(column=name) for name in names},
        is_fraud="is_fraud",
        known_at=Source(column="label_known_at"),
        delay_ms=0,
    )


def read_mapping(path: Path) -> Mapping:
    """A mapping from its YAML file; Fatal (exit 2) naming the key that is wrong."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise _wrong(path, f"it cannot be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("transaction"), dict):
        raise _wrong(path, "it has no section `transaction`")
    if unknown := set(data) - {"transaction", "label"}:
        raise _wrong(path, f"unknown section {sorted(unknown)[0]}")
    schema = {field["name"]: field for field in contract("transaction.v1").schema["fields"]}
    fields = {name: _source(path, f"transaction.{name}", value) for name, value in data["transaction"].items()}
    if unknown := set(fields) - set(schema):
        raise _wrong(path, f"transaction.{sorted(unknown)[0]} is no field of the contract")
    if "amount_minor" in fields and "base_amount_minor" not in fields:
        fields["base_amount_minor"] = fields["amount_minor"]
    needed = [name for name, field in schema.items() if "default" not in field and name not in fields]
    if needed:
        raise _wrong(path, f"transaction.{needed[0]} is missing and has no default")
    label = data.get("label") or {}
    if unknown := set(label) - {"is_fraud", "known_at", "delay_days"}:
        raise _wrong(path, f"label.{sorted(unknown)[0]} is unknown")
    return Mapping(
        fields=fields,
        is_fraud=label.get("is_fraud"),
        known_at=_source(path, "label.known_at", label["known_at"]) if "known_at" in label else None,
        delay_ms=int(float(label.get("delay_days", 7)) * 86_400_000),
    )


def _source(path: Path, key: str, value: Any) -> Source:
    if not isinstance(value, dict):
        value = {"column": value}
    if unknown := set(value) - _FIELD_KEYS:
        raise _wrong(path, f"{key}.{sorted(unknown)[0]} is unknown")
    if ("column" in value) == ("value" in value):
        raise _wrong(path, f"{key} needs either column or value")
    if value.get("unit", "ms") not in UNITS_MS:
        raise _wrong(path, f"{key}.unit is {value['unit']}, not {' or '.join(UNITS_MS)}")
    return Source(**value)


def _wrong(path: Path, what: str) -> Fatal:
    return Fatal(what=f"the mapping is wrong: {what}", where=str(path), do="see docs/replay.md", exit_code=2)
