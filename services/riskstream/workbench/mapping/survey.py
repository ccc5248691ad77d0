"""A look at a whole file before anything is made of it: what fits, what is left out and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.findings import Finding

_SELDOM = 1000
"""A customer is counted in batches of which it has more than 1 row in so many: at most 1 in so many
of its rows is missed.
"""
_MANY = 20
"""Rows of which one customer may have more than half."""


@dataclass(slots=True)
class LeftOut:
    """Rows left out: how many by reason, and the first of each as (path, place, value).
    `amounts_minor`: the base amounts by reason of all but the rows that are `without_amount`.
    """

    counts: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, tuple[Path, int, str]] = field(default_factory=dict)
    amounts_minor: Counter[str] = field(default_factory=Counter)
    without_amount: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.counts.total()

    def add(self, path: Path, left_out: Iterable[tuple[int, Finding]]) -> None:
        for place, found in left_out:
            self.counts[found.why] += 1
            self.firsts.setdefault(found.why, (path, place, found.value))
            if found.amount_minor is None:
                self.without_amount[found.why] += 1
            else:
                self.amounts_minor[found.why] += found.amount_minor

    def add_all(self, why: str, amounts_minor: Sequence[int]) -> None:
        """Rows that fit and are left out all the same, by their base amounts."""
        self.counts[why] += len(amounts_minor)
        self.amounts_minor[why] += sum(amounts_minor)

    def figures(self, rows: int, amount_minor: int) -> dict[str, Any]:
        """How much was left out, beside so many `rows` that were not and their base amounts: in
        all, and by reason. `amount_share`: of the amounts that are known; None where all are 0.
        """
        known = self.amounts_minor.total()
        return {
            "rows": self.total,
            "of_rows": self.total + rows,
            "amount_minor": known,
            "of_amount_minor": known + amount_minor,
            "amount_share": known / (known + amount_minor) if known + amount_minor else None,
            "rows_without_amount": self.without_amount.total(),
            "reasons": [
                {
                    "why": why,
                    "rows": count,
                    "amount_minor": self.amounts_minor[why],
                    "rows_without_amount": self.without_amount[why],
                }
                for why, count in self.counts.most_common()
            ],
        }

    def said(self) -> list[str]:
        """A line a reason, the most frequent first, with the first row of which it is so."""
        out = []
        for why, count in self.counts.most_common():
            if why not in self.firsts:
                out.append(f"  {count:,}: {why}")
                continue
            _, place, value = self.firsts[why]
            shown = f", like {value!r} in line {place:,}" if value else f", like line {place:,}"
            out.append(f"  {count:,}: {why}{shown}")
        return out


@dataclass(slots=True)
class Survey:
    """Of all rows of a file: `good`, how many fit; `unlabelled`, how many of those have no label
    although others do; `left_out`.
    """

    good: int = 0
    labels: int = 0
    unlabelled: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    _customers: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """Transactions and labels."""
        return self.good + self.labels

    def add(self, rows: FileRows, found: Converted) -> None:
        self.good += found.transactions.num_rows
        if found.labelled is not None:
            there = int(found.labelled.has_label.sum())
            self.labels += there
            self.unlabelled += len(found.labelled.has_label) - there
        self.left_out.add(rows.path, found.left_out)
        self._count_customers(found.transactions["customer_id"])

    def _count_customers(self, column: pa.ChunkedArray) -> None:
        """Those with many rows of a batch: whoever has more than half of all is among them."""
        counted = pc.value_counts(column)
        many = counted.filter(pc.greater(counted.field("counts"), len(column) // _SELDOM))
        for each in many.to_pylist():
            self._customers[each["values"]] += each["counts"]

    def check(self, given: Path, accepted: Iterable[str]) -> None:
        """Fatal where no row fits (exit code 1), or one customer has more than half of many."""
        if not self.good:
            reasons = "; ".join(line.strip() for line in self.left_out.said()[:3])
            raise Fatal(
                what=f"none of its {count_of(self.left_out.total, 'row')} fits: {reasons}"
                if self.left_out.total
                else "it holds no rows",
                where=str(given),
                do="correct the mapping (docs/data.md)",
                exit_code=Exit.NO,
            )
        name, count = self._customers.most_common(1)[0] if self._customers else ("", 0)
        if self.good >= _MANY and count * 2 > self.good and "one-customer" not in accepted:
            raise Fatal(
                what=f"customer_id: {name!r} has {count:,} of {self.good:,} rows, more than half",
                where=str(given),
                do="map customer_id to a column that tells customers apart, or give "
                "`--accept one-customer`",
                exit_code=Exit.INPUT,
            )


def surveyed(
    batches: Iterable[FileRows],
    converter: Converter,
    on_converted: Callable[[FileRows, Converted], None] = lambda _rows, _found: None,
) -> Survey:
    """Convert everything and keep the counts."""
    survey = Survey()
    for rows in batches:
        found = converter.convert(rows)
        survey.add(rows, found)
        on_converted(rows, found)
    return survey
