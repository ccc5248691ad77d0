"""A batch of a file's rows to the contracts' columns; rows that do not fit are told apart with
their reason.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.declared import Mapping
from riskstream.workbench.mapping.fields import FieldReader, as_amount
from riskstream.workbench.mapping.findings import Finding, Findings, flags
from riskstream.workbench.mapping.labelled import Labelled, labelled
from riskstream.workbench.mapping.looks import looks_of
from riskstream.workbench.mapping.plain import plain

_AMOUNTS = ("amount_minor", "base_amount_minor")
CHECKS = {
    "old-times": "times before 2000",
    "future-times": "times more than a day ahead of now",
    "float-ids": "ids that are numbers with a point",
    "lost-digits": "ids that a spreadsheet rounded",
    "no-values": "ids that are called NULL or NaN",
    "quoted-ids": "ids in single quotes, or marked as a spreadsheet does",
    "date-ids": "ids that are dates",
    "padded-ids": "ids with spaces around",
    "totals": "ids that are called Total",
    "part-amounts": "amounts of minor units with something behind the point",
    "one-customer": "one customer with more than half of the rows",
}
"""Checks of what is implausible, by the name that `--accept` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """`transactions` n rows in the contract's columns; `labelled` what is said of them, None
    without a fraud column; `places` int64[n] of each in its file; and the rows left out, (place,
    what was found) in order.
    """

    transactions: pa.Table
    labelled: Labelled | None
    places: NDArray[np.int64]
    left_out: list[tuple[int, Finding]]


class Converter:
    """Applies one mapping. Rows that the scorer would reject are left out, and what no transaction
    plausibly has, unless `accepted`. `now_ms`: the clock.

    `base_currency`: of the base amounts; "" where any is right. `fields`: those wanted, all of the
    mapping's where None.
    """

    def __init__(
        self,
        mapping: Mapping,
        base_currency: str,
        now_ms: int,
        accepted: Collection[str] = (),
        fields: Collection[str] | None = None,
    ) -> None:
        self._mapping, self._base = mapping, base_currency
        self._accepted, self._latest_ms = frozenset(accepted), now_ms + DAY_MS
        self._bounds = bounds_of("transaction.v1")
        wanted = set(mapping.fields if fields is None else fields)
        # the currency says how many digits an amount has, so amounts come last
        order = sorted(mapping.fields.items(), key=lambda each: each[0] in _AMOUNTS)
        if any(source.is_major for name, source in order if name in wanted):
            wanted |= {"currency", "base_currency"}
        self._sources = {
            name: as_amount(name, source, self._accepted)
            for name, source in order
            if name in wanted
        }
        of = mapping.fields.get
        self._is_one_amount = of("base_amount_minor") is of("amount_minor")

    @property
    def absent(self) -> tuple[str, ...]:
        """Columns that no row of the file may have: see Mapping."""
        return self._mapping.absent

    @property
    def columns(self) -> list[str]:
        """Columns of the file that are read."""
        more = [self._mapping.is_fraud, self._mapping.known_at]
        sources = [*self._sources.values(), *(each for each in more if each is not None)]
        return list(dict.fromkeys(name for each in sources for name in each.columns))

    def convert(self, rows: FileRows) -> Converted:
        """Columns of the good rows, and what is wrong with the others. Fatal where what one shows
        says that all are misread.
        """
        batch, findings = rows.batch, Findings(rows.batch.num_rows, self._accepted)
        reader = FieldReader(
            record="transaction.v1", rows=rows, findings=findings, latest_ms=self._latest_ms
        )
        columns: dict[str, pa.Array] = {}
        for name, source in self._sources.items():
            if name == "base_amount_minor" and self._is_one_amount and "amount_minor" in columns:
                columns[name] = columns["amount_minor"]
            else:
                columns[name] = reader.column(self._bounds[name], source, columns)
        self._take_signs(columns, batch, findings)
        self._check_base(columns, batch.num_rows, findings)
        for name, column in columns.items():
            _check_bounds(self._bounds[name], column, findings)
        said = labelled(self._mapping, batch, columns, findings, self._latest_ms)
        self._refuse(rows, findings)
        ordered = {name: columns[name] for name in self._bounds if name in columns}
        good, table = findings.is_good, pa.table(ordered)
        told = findings.in_order(columns.get("base_amount_minor"))
        left_out = [(int(rows.places[at]), found) for at, found in told]
        left_out += [(place, Finding(why=why, value="")) for place, why in rows.broken]
        return Converted(
            transactions=table if good.all() else table.filter(pa.array(good)),
            labelled=said if said is None or good.all() else said.of(good),
            places=rows.places[good],
            left_out=sorted(left_out, key=lambda each: each[0]),
        )

    def _refuse(self, rows: FileRows, findings: Findings) -> None:
        if (found := findings.refusal) is not None:
            raise Fatal(
                what=f"{found.why}: {found.value!r} in line {int(rows.places[found.at]):,}",
                where=str(rows.path),
                do=f"{found.do}, or give `--accept {found.check}`",
                exit_code=Exit.INPUT,
            )

    def _take_signs(
        self, columns: dict[str, pa.Array], batch: pa.RecordBatch, findings: Findings
    ) -> None:
        """Amounts below zero are of the kind that the mapping says; else they are left out."""
        below = np.zeros(batch.num_rows, np.bool_)
        kind = ""
        for name in _AMOUNTS:
            source = self._sources.get(name)
            if source is None or source.is_constant:
                continue
            values = np.asarray(columns[name].to_numpy(zero_copy_only=False), np.int64)
            if source.negative:
                kind = source.negative
                below |= values < 0
                columns[name] = pa.array(np.abs(values))
            elif (values < 0).any():
                column = plain(batch.column(source.columns[0]))
                findings.note(values < 0, f"{name}: below zero: say `negative: REFUND`", column)
        if kind and "kind" in columns:
            columns["kind"] = pc.if_else(pa.array(below), kind, columns["kind"])
        elif kind:
            columns["kind"] = pc.if_else(pa.array(below), kind, "UNKNOWN")

    def _check_base(self, columns: dict[str, pa.Array], n: int, findings: Findings) -> None:
        """Base amounts are summed. Where the file gives none, its amounts must be in the base
        currency themselves.
        """
        if not self._base or "base_amount_minor" not in columns:
            return
        is_given = not self._is_one_amount
        columns.setdefault("base_currency", pa.repeat(pa.scalar(self._base), n))
        for name in ("base_currency",) if is_given else ("base_currency", "currency"):
            is_other = ~flags(pc.equal(columns[name], self._base))
            why = f"{name}: not {self._base}, in which amounts are summed"
            findings.note(
                is_other,
                why if name == "base_currency" else f"{why}, and no base_amount_minor is given",
                columns[name],
            )


def _is_within(bounds: Bounds, column: pa.Array) -> bool:
    """Whether all texts are, by one look at their lengths and at the different ones."""
    looks = looks_of(column)
    most = looks.longest if bounds.max_bytes is None else bounds.max_bytes
    if looks.longest > most or looks.shortest < bounds.min_bytes:
        return False
    if bounds.pattern is None:
        return True
    shaped = pc.match_substring_regex(pc.unique(column), rf"^(?:{bounds.pattern})$")
    return bool(pc.all(shaped).as_py() in (True, None))


def _check_bounds(bounds: Bounds, column: pa.Array, findings: Findings) -> None:
    """The contract's bounds, by which the scorer rejects."""
    if bounds.kind == "enum":
        return
    is_wrong = np.zeros(len(column), np.bool_)
    if bounds.kind == "string":
        if _is_within(bounds, column):
            return
        size = pc.binary_length(column)
        if bounds.max_bytes is not None:
            is_wrong |= flags(pc.greater(size, bounds.max_bytes))
        if bounds.min_bytes:
            is_wrong |= flags(pc.less(size, bounds.min_bytes))
        if bounds.pattern is not None:
            shaped = pc.match_substring_regex(column, rf"^(?:{bounds.pattern})$")
            is_wrong |= flags(pc.invert(shaped))
    elif bounds.minimum is not None or bounds.maximum is not None:
        least, most = bounds.range
        is_wrong = flags(pc.or_(pc.less(column, least), pc.greater(column, most)))
    if is_wrong.any():
        findings.note(is_wrong, f"{bounds.name}: not {bounds.said()}", column)
