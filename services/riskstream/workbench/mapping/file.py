"""Reads a mapping from its YAML file, and says which key of it is wrong."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR, contract
from riskstream.runtime.causes import cause
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.mapping.declared import DELAY_DAYS, KNOWN_AT, Mapping, Source
from riskstream.workbench.mapping.sources import (
    SourceReader,
    first,
    is_number,
    sections_of,
    wrong,
)

MAX_DELAY_DAYS = 36_500


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
    left_empty = tuple(each["name"] for each in schema if each["name"] not in fields)
    said = ("is_fraud", KNOWN_AT)
    return Mapping(
        left_empty=left_empty,
        absent=(*left_empty, *(each for each in said if each not in names)),
        fields=fields,
        is_fraud=Source(columns=("is_fraud",)) if "is_fraud" in names else None,
        known_at=Source(columns=(KNOWN_AT,)) if KNOWN_AT in names else None,
        delay_ms=0 if KNOWN_AT in names else DELAY_DAYS * DAY_MS,
    )


def read_mapping(path: Path) -> Mapping:
    """A mapping of transactions from its YAML file; Fatal (exit 2) naming the key that is wrong."""
    return parsed(_text_of(path), path)


def read_label_mapping(path: Path, needed: Collection[str] | None = None) -> Mapping:
    """A mapping of a file of labels, or of transactions with labels. Fatal as `read_mapping`.

    `needed`: fields that a mapping of labels must have; None: all without a default.
    """
    text = _text_of(path)
    if "transaction" in sections_of(text, path):
        return parsed(text, path)
    return labels_of(text, path, needed)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise wrong(path, f"it cannot be read: {cause(error)}") from error


def parsed(text: str, path: Path) -> Mapping:
    """A mapping from its text; `path` is named where it is wrong."""
    data = sections_of(text, path)
    if not isinstance(data.get("transaction"), dict):
        raise wrong(path, "it has no section `transaction`")
    reader = SourceReader(path, data.get("file") or {})
    fields = _fields(path, reader, "transaction", data["transaction"])
    if "amount_minor" in fields and "base_amount_minor" not in fields:
        fields["base_amount_minor"] = fields["amount_minor"]
    elif "base_currency" not in fields:
        base = fields.get("base_amount_minor")
        if base is not None and base.is_major:
            raise wrong(path, "transaction.base_amount_minor.major needs base_currency too")
    _check_needed(path, "transaction", fields)
    kinds = bounds_of("transaction.v1")["kind"].symbols
    for name, source in fields.items():
        if source.negative and source.negative not in kinds:
            raise wrong(
                path,
                f"transaction.{name}.negative is {source.negative}, none of {', '.join(kinds)}",
            )
    return Mapping(
        fields=fields, layout=reader.layout, **_label(path, reader, data.get("label") or {})
    )


def labels_of(text: str, path: Path, needed: Collection[str] | None = None) -> Mapping:
    """A mapping of a file that holds labels alone: its section `label` has fields of label.v1."""
    data = sections_of(text, path)
    if not isinstance(data.get("label"), dict):
        raise wrong(path, "it has no section `transaction` and no section `label`")
    reader = SourceReader(path, data.get("file") or {})
    fields = _fields(path, reader, "label", data["label"])
    for name, source in fields.items():
        if source.negative:
            raise wrong(path, f"label.{name}.negative is for amounts of transactions")
        if source.is_major and "base_currency" not in fields:
            raise wrong(path, f"label.{name}.major needs label.base_currency")
    _check_needed(path, "label", fields, needed)
    return Mapping(fields={}, labels=fields, layout=reader.layout)


def _fields(
    path: Path, reader: SourceReader, section: str, given: dict[str, Any]
) -> dict[str, Source]:
    """The sources of a section, whose fields are those of a contract."""
    schema = {field["name"]: field for field in contract(f"{section}.v1").schema["fields"]}
    if unknown := set(given) - set(schema):
        raise wrong(path, f"{section}.{first(unknown)} is no field of the contract")
    fields = {name: reader.source(f"{section}.{name}", value) for name, value in given.items()}
    for name, source in fields.items():
        key, kind = f"{section}.{name}", schema[name]["type"]
        if source.is_constant and not _may_be(source.value, kind):
            raise wrong(path, f"{key}.value is {source.value!r}, which the contract does not take")
        if source.is_row and not bounds_of(f"{section}.v1")[name].min_bytes:
            raise wrong(path, f"{key}.row is for ids")
        _check_computed(path, key, bounds_of(f"{section}.v1")[name], source)
        symbols: list[str] = kind.get("symbols", []) if isinstance(kind, dict) else []
        for word, means in source.values if symbols else ():
            if means is not None and means not in symbols:
                raise wrong(path, f"{key}.values.{word} is {means!r}, none of {', '.join(symbols)}")
    return fields


def _check_computed(path: Path, key: str, bounds: Bounds, source: Source) -> None:
    """Numbers are computed as numbers; words are named by true and false, and ids are not
    computed.
    """
    if source.computed is None:
        return
    is_number = source.computed.what.number is not None
    if bounds.kind == "string" and bounds.min_bytes:
        raise wrong(path, f"{key}.expression: an id is no number: say `columns:`")
    if bounds.kind in ("string", "enum"):
        if is_number or not source.values:
            raise wrong(
                path,
                f"{key}.expression must be true or false, with `values: {{true: ..., false: ...}}`",
            )
    elif not is_number:
        raise wrong(path, f"{key}.expression is true or false, and a number is needed")


def _check_needed(
    path: Path, section: str, fields: dict[str, Source], needed: Collection[str] | None = None
) -> None:
    if needed is None:
        bounds = bounds_of(f"{section}.v1")
        needed = [name for name, each in bounds.items() if not each.has_default]
    for name in needed:
        if name not in fields:
            raise wrong(path, f"{section}.{name} is missing and has no default")


def _label(path: Path, reader: SourceReader, label: Any) -> dict[str, Any]:
    """The section `label`, as fields of a Mapping."""
    if not isinstance(label, dict):
        raise wrong(path, f"label is {label!r}, no section")
    if unknown := set(label) - {"is_fraud", "known_at", "delay_days"}:
        raise wrong(path, f"label.{first(unknown)} is unknown")
    days = label.get("delay_days", DELAY_DAYS)
    if not is_number(days) or not 0 <= days <= MAX_DELAY_DAYS:
        raise wrong(
            path, f"label.delay_days is {days!r}, not a number from 0 to {MAX_DELAY_DAYS:,}"
        )
    out: dict[str, Any] = {"delay_ms": int(days * DAY_MS)}
    for name in ("is_fraud", "known_at"):
        if label.get(name) is None:
            continue
        out[name] = reader.source(f"label.{name}", label[name])
        if not out[name].columns:
            raise wrong(path, f"label.{name} needs a column")
    if "is_fraud" in out:
        for word, means in out["is_fraud"].values:
            if means not in (True, False, None):
                raise wrong(
                    path, f"label.is_fraud.values.{word} is {means!r}, not true, false or null"
                )
    return out


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
