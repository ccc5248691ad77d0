"""A batch of a file's rows to the contracts' columns; rows that do not fit are told apart with
their reason.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR, contract
from riskstream.workbench.replay.mapping import UNITS_MS, Mapping, Source

_AMOUNTS = ("amount_minor", "base_amount_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """`transactions` in the contract's columns, `labels` beside them row by row (None without a
    fraud column), and the rows left out as (index in the batch, reason).
    """

    transactions: pa.Table
    labels: pa.Table | None
    bad: list[tuple[int, str]]


class Converter:
    """Applies one mapping. Rows whose base amount is not in `base_currency` are left out, as the
    scorer would reject them.
    """

    def __init__(self, mapping: Mapping, base_currency: str = "EUR") -> None:
        self._mapping, self._base = mapping, base_currency
        self._schema: dict[str, Any] = {
            f["name"]: f for f in contract("transaction.v1").schema["fields"]
        }

    def convert(self, batch: pa.RecordBatch) -> Converted:
        """Columns of the good rows, and what is wrong with the others."""
        n = batch.num_rows
        reasons: dict[int, str] = {}
        columns = {}
        for name, source in self._mapping.fields.items():
            columns[name] = self._field(name, source, batch, reasons)
        self._check_base(columns, reasons, n)
        labels = self._labels(batch, columns, reasons)
        good = np.ones(n, np.bool_)
        good[list(reasons)] = False
        mask = pa.array(good)
        return Converted(
            transactions=pa.table(columns).filter(mask),
            labels=pa.table(labels).filter(mask) if labels else None,
            bad=sorted(reasons.items()),
        )

    def _field(
        self, name: str, source: Source, batch: pa.RecordBatch, reasons: dict[int, str]
    ) -> pa.Array:
        kind, nullable, symbols = _kind(self._schema[name]["type"])
        n = batch.num_rows
        if source.column is None:
            return pa.array(
                [source.value] * n, pa.string() if kind in ("string", "enum") else pa.int64()
            )
        column = _plain(batch.column(source.column))
        if kind in ("string", "enum"):
            text = _texts(column)
            if source.prefix:
                text = pc.binary_join_element_wise(source.prefix, text, "")
            if kind == "enum":
                text = pc.fill_null(text, "UNKNOWN")
                unknown = pc.invert(pc.is_in(text, pa.array(symbols))).to_numpy(
                    zero_copy_only=False
                )
                _note(reasons, unknown, f"{name}: not one of {', '.join(symbols)}")
            elif self._schema[name].get("default"):
                text = pc.fill_null(text, self._schema[name]["default"])
            elif not nullable and "default" not in self._schema[name]:
                empty = pc.equal(pc.fill_null(text, ""), "").to_numpy(zero_copy_only=False)
                _note(reasons, empty, f"{name}: empty")
            return text if nullable else pc.fill_null(text, "")
        values, missing = (
            instants(column, source) if kind == "instant" else _numbers(column, source)
        )
        if not nullable:
            _note(reasons, missing, f"{name}: missing or not a number")
        if name in _AMOUNTS:
            _note(
                reasons,
                ~missing & ((values < 0) | (values > MAX_AMOUNT_MINOR)),
                f"{name}: below 0 or above 10^13",
            )
        if kind == "instant":
            _note(
                reasons,
                ~missing & ((values < 0) | (values > 253_402_300_799_999)),
                f"{name}: outside 1970 to 9999",
            )
        return pa.array(values, pa.int64(), mask=missing if nullable else None)

    def _check_base(self, columns: dict[str, pa.Array], reasons: dict[int, str], n: int) -> None:
        """Base amounts are summed. Where the file gives none, its amounts must be in the base
        currency themselves.
        """
        is_given = (
            self._mapping.fields["base_amount_minor"] is not self._mapping.fields["amount_minor"]
        )
        columns.setdefault("base_currency", pa.array([self._base] * n, pa.string()))
        for name in ("base_currency",) if is_given else ("base_currency", "currency"):
            is_other = pc.fill_null(pc.not_equal(columns[name], self._base), True).to_numpy(
                zero_copy_only=False
            )
            why = f"{name}: not {self._base}, in which amounts are summed"
            _note(
                reasons,
                is_other,
                why if name == "base_currency" else f"{why}, and no base_amount_minor is given",
            )

    def _labels(
        self, batch: pa.RecordBatch, columns: dict[str, pa.Array], reasons: dict[int, str]
    ) -> dict[str, pa.Array]:
        if self._mapping.is_fraud is None:
            return {}
        raw, missing = _numbers(_as_number(_plain(batch.column(self._mapping.is_fraud))), Source())
        _note(reasons, missing | ((raw != 0) & (raw != 1)), "is_fraud: neither 0 nor 1")
        is_fraud = raw == 1
        occurred = columns["occurred_at"].fill_null(0).to_numpy(zero_copy_only=False)
        known = occurred + self._mapping.delay_ms
        if self._mapping.known_at is not None and self._mapping.known_at.column is not None:
            known, missing = instants(
                _plain(batch.column(self._mapping.known_at.column)), self._mapping.known_at
            )
            _note(
                reasons,
                missing | (known < occurred),
                "label known_at: missing or before occurred_at",
            )
        amount = columns["base_amount_minor"].to_numpy(zero_copy_only=False)
        n = batch.num_rows
        return {
            "label_id": pc.binary_join_element_wise("label-", columns["transaction_id"], ""),
            "transaction_id": columns["transaction_id"],
            "customer_id": columns["customer_id"],
            "outcome": pc.if_else(pa.array(is_fraud), "FRAUD", "GENUINE"),
            "source": pa.array(["IMPORT"] * n),
            "occurred_at": pa.array(occurred),
            "known_at": pa.array(known),
            "loss_minor": pa.array(np.where(is_fraud, amount, 0)),
            "base_currency": columns["base_currency"],
            **{name: columns[name] for name in ("terminal_id", "device_id") if name in columns},
        }


def _plain(column: pa.Array) -> pa.Array:
    """The same values, each kind of them in one type: texts as string, dates and timestamps as
    timestamps of ms.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ms"))
    return column


def _texts(column: pa.Array) -> pa.Array:
    """As texts; null where the type has none, or its bytes are no UTF-8."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.string())


def instants(column: pa.Array, source: Source) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(ms since 1970 UTC, missing) of timestamps, numbers in the source's unit, or ISO 8601 texts
    (UTC where unsaid).
    """
    if pa.types.is_timestamp(column.type):
        return _filled(column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()))
    if pa.types.is_string(column.type):
        numeric = pc.match_substring_regex(column, r"^-?\d+(\.\d+)?$")
        if not pc.any(numeric).as_py():
            return _iso(column)
    values, missing = _numbers(column, Source(scale=UNITS_MS[source.unit]))
    return values, missing


def _iso(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    text = pc.replace_substring_regex(pc.replace_substring(column, "T", " "), r"(Z|\+00:00)$", "")
    shaped = pc.fill_null(
        pc.match_substring_regex(text, r"^\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$"),
        False,
    )
    out = np.zeros(len(text), np.int64)
    missing = ~shaped.to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(~missing):
        try:
            out[index] = np.datetime64(text[int(index)].as_py(), "ms").astype(np.int64)
        except ValueError:
            missing[index] = True
    return out, missing


def _numbers(column: pa.Array, source: Source) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(rounded value times scale, missing); text that is no number, NaN, infinity and what is no
    number at all are missing.
    """
    if (
        pa.types.is_integer(column.type)
        and not pa.types.is_uint64(column.type)
        and source.scale == 1
    ):
        return _filled(column.cast(pa.int64()))
    if pa.types.is_string(column.type):
        ok = pc.match_substring_regex(
            pc.utf8_trim_whitespace(column), r"^-?\d+(\.\d+)?([eE][-+]?\d+)?$"
        )
        column = pc.if_else(
            pc.fill_null(ok, False), pc.utf8_trim_whitespace(column), pa.scalar(None, pa.string())
        )
    try:
        numbers = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        numbers = pa.nulls(len(column), pa.float64())
    floats = pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False)
    missing = ~np.isfinite(floats) | (np.abs(floats) * source.scale > 9e18)
    return np.rint(np.where(missing, 0.0, floats) * source.scale).astype(np.int64), missing


def _filled(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    missing = pc.is_null(column).to_numpy(zero_copy_only=False)
    return np.array(pc.fill_null(column, 0).to_numpy(zero_copy_only=False), np.int64), missing


def _as_number(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return column.cast(pa.int64())
    if pa.types.is_string(column.type):
        lower = pc.utf8_lower(column)
        lower = pc.if_else(pc.fill_null(pc.equal(lower, "true"), False), "1", lower)
        return pc.if_else(pc.fill_null(pc.equal(lower, "false"), False), "0", lower)
    return column


def _note(reasons: dict[int, str], rows: NDArray[np.bool_], why: str) -> None:
    for index in np.flatnonzero(rows):
        reasons.setdefault(int(index), why)


def _kind(schema: Any) -> tuple[str, bool, tuple[str, ...]]:
    """(string, enum, instant or number; nullable; enum symbols)."""
    if isinstance(schema, list):
        kind, _, symbols = _kind(next(branch for branch in schema if branch != "null"))
        return kind, True, symbols
    if isinstance(schema, dict):
        if schema["type"] == "enum":
            return "enum", False, tuple(schema["symbols"])
        return ("instant" if schema.get("logicalType") else "number"), False, ()
    return ("string" if schema == "string" else "number"), False, ()
