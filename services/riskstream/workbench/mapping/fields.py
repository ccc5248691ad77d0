"""One field of a contract from the columns of a batch: its values, and what is wrong with which
rows.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import Bounds
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.money import digits_of
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.declared import Source
from riskstream.workbench.mapping.expressions import source_column
from riskstream.workbench.mapping.findings import (
    PART,
    Findings,
    Note,
    among,
    flags,
    noted,
    nulls_of,
    without_part_refusal,
)
from riskstream.workbench.mapping.instants import instants
from riskstream.workbench.mapping.numbers import numbers
from riskstream.workbench.mapping.words import symbols, texts

AMOUNTS = ("amount_minor", "base_amount_minor", "loss_minor")
_TIMES = ("occurred_at", "known_at")


def as_amount(name: str, source: Source, accepted: frozenset[str]) -> Source:
    """The source of a field. Amounts of minor units have no digits behind a point, not even zeros:
    10.00 is of major units.
    """
    is_minor = name in AMOUNTS and source.scale == 1 and not source.is_major
    return replace(source, is_minor=is_minor and not source.is_rounded and PART not in accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReader:
    """Reads fields of a batch. `record`: the contract's name. What is wrong goes to `findings`;
    times behind `latest_ms` are.
    """

    record: str
    rows: FileRows
    findings: Findings
    latest_ms: int

    def column(self, bounds: Bounds, source: Source, columns: dict[str, pa.Array]) -> pa.Array:
        """The field of all rows. `columns`: those that were read before it."""
        n, name = self.rows.batch.num_rows, bounds.name
        is_text = bounds.kind in ("string", "enum")
        if source.is_row:
            first = self.rows.first + 1
            return _behind(source.prefix, pa.array(np.arange(first, first + n)).cast(pa.string()))
        if source.is_constant:
            kind = pa.string() if is_text else pa.int64()
            return pa.repeat(pa.scalar(source.value, kind), n)
        column = source_column(self.rows.batch, source, self.findings, name)
        note = partial(noted, self.findings, name, column)
        if bounds.kind == "enum":
            return symbols(column, source, bounds.symbols, note)
        if is_text:
            found = texts(column, source, note, is_id=bounds.min_bytes > 0)
            return self._text(bounds, _behind(source.prefix, found), note)
        if name in _TIMES:
            values, missing = instants(column, source, note, self.latest_ms)
        else:
            values, missing = _number(name, column, source, columns, note)
        if not (bounds.is_nullable or name == "loss_minor"):
            empty = "empty" if source.computed is None else "the expression has no value"
            note(nulls_of(column), empty)
        return pa.array(values, pa.int64(), mask=missing if bounds.is_nullable else None)

    def _text(self, bounds: Bounds, text: pa.Array, note: Note) -> pa.Array:
        if bounds.is_nullable:
            return text
        if bounds.has_default:
            return text.fill_null(_default(self.record, bounds.name))
        note(nulls_of(text), "empty")
        return text.fill_null("")


def _number(
    name: str, column: pa.Array, source: Source, columns: dict[str, pa.Array], note: Note
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if name not in AMOUNTS or source.is_rounded:
        note = without_part_refusal(note)
    if not source.is_major:
        return numbers(column, source, source.scale, note)
    is_base = name == "base_amount_minor" and "base_currency" in columns
    currency = columns["base_currency" if is_base else "currency"]
    values, missing = np.zeros(len(column), np.int64), np.ones(len(column), np.bool_)
    for code in pc.unique(currency).to_pylist():
        mine = flags(pc.equal(currency, code))
        scale = Decimal(10) ** digits_of(code or "")
        part, without = numbers(column, source, scale, among(mine, note))
        values[mine], missing[mine] = part[mine], without[mine]
    return values, missing


def _behind(prefix: str, text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, text, "") if prefix else text


def _default(record: str, name: str) -> str:
    fields: Any = contract(record).schema["fields"]
    return str(next(each["default"] for each in fields if each["name"] == name))
