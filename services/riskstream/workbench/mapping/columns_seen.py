"""What the first rows of a file show of its columns: which times, numbers and words they hold, and
how these are written.
"""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import BATCH_BYTES
from riskstream.workbench.files.shared_texts import bytes_of_texts
from riskstream.workbench.mapping.declared import UNITS_MS, Clock, Source, Written
from riskstream.workbench.mapping.findings import Findings, noted, shown
from riskstream.workbench.mapping.instants import instants
from riskstream.workbench.mapping.numbers import numbers
from riskstream.workbench.mapping.plain import plain

SAMPLE_ROWS = 10_000
FORMATS = tuple(
    f"{day}{time}"
    for day in (
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%d.%m.%y",
        "%m/%d/%y",
    )
    for time in (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "")
)
_MOSTLY = 0.98
"""Share of a column's values that must be read for it to be taken for what it looks like."""
_WRITTEN = (
    Written(),
    Written(decimal="."),
    Written(decimal=","),
    Written(decimal=",", thousands="."),
    Written(decimal=".", thousands=","),
    Written(decimal=",", thousands=" "),
    Written(decimal=".", thousands="'"),
)
_SYMBOL = re.compile(r"^[-+(]*\s*([$€£¥₹]|[A-Z]{3}\b)|([$€£¥₹]|\b[A-Z]{3})\s*\)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One column. `values`: its first ones; `different`, `filled`: how many of `rows` are."""

    name: str
    column: pa.Array
    rows: int
    filled: int
    different: int
    words: tuple[str, ...]

    @property
    def is_unique(self) -> bool:
        return self.filled == self.rows and self.different == self.rows

    @property
    def examples(self) -> str:
        return ", ".join(repr(each) for each in self.words[:3])


def columns_seen(files: Files) -> list[Seen]:
    """All columns of the file's first rows: SAMPLE_ROWS, fewer where their texts are long."""
    parts: list[pa.RecordBatch] = []
    rows = broken = size = 0
    for found in files.batches(files.names):
        parts.append(found.batch)
        rows, broken = rows + found.batch.num_rows, broken + len(found.broken)
        size += bytes_of_texts(found.batch)
        if rows >= SAMPLE_ROWS or broken > 10 * SAMPLE_ROWS or size > BATCH_BYTES // 2:
            break
    if not parts:
        return []
    table = pa.Table.from_batches(parts).slice(0, SAMPLE_ROWS)
    out = []
    for name in files.names:
        column = plain(table[name].combine_chunks())
        counted = Counter(_texts_of(column))
        out.append(
            Seen(
                name=name,
                column=column,
                rows=len(column),
                filled=len(column) - column.null_count,
                different=len(counted),
                words=tuple(word for word, _ in counted.most_common(12)),
            )
        )
    return out


def _texts_of(column: pa.Array) -> list[str]:
    """The values that are there, as texts."""
    try:
        return [str(each) for each in column.to_pylist() if each is not None]
    except (ValueError, ArithmeticError, LookupError):  # some cannot be shown as they are
        return [shown(each) for each in column if each.is_valid]


def _share(seen: Seen, wrong: Findings) -> float:
    return float(wrong.is_good.sum()) / seen.rows if seen.rows else 0.0


def clocks(seen: Seen, latest_ms: int) -> list[Clock]:
    """Ways to read the column as plausible times, the likelier first; none where it holds none."""
    tried = [Clock()] if not pa.types.is_floating(seen.column.type) else []
    tried += [Clock(unit=unit) for unit in UNITS_MS if unit not in ("min", "h", "d")]
    if pa.types.is_string(seen.column.type):
        tried += [Clock(format=each) for each in FORMATS]
    out: list[Clock] = []
    for clock in tried:
        findings = Findings(seen.rows)
        note = partial(noted, findings, "", seen.column)
        instants(seen.column, Source(clock=clock), note, latest_ms)
        missing = np.asarray(pc.is_null(seen.column).to_numpy(zero_copy_only=False), np.bool_)
        good = findings.is_good & ~missing
        if seen.filled and good.sum() >= _MOSTLY * seen.filled:
            if clock.format == "" and (clock.unit == "" or not out):
                return [clock]
            out.append(clock)
    return out


def numbers_of(seen: Seen) -> tuple[Written, Decimal, bool] | None:
    """(how they are written, scale to minor units, whether some are below zero); None where the
    column holds no numbers.
    """
    if pa.types.is_boolean(seen.column.type) or not seen.filled:
        return None
    symbol = ""
    if pa.types.is_string(seen.column.type):
        found = Counter(
            match[1] or match[2] for word in seen.words if (match := _SYMBOL.search(word))
        )
        symbol = found.most_common(1)[0][0] if found else ""
    for written in _WRITTEN:
        as_said = Written(decimal=written.decimal, thousands=written.thousands, symbol=symbol)
        for scale in (Decimal(1), Decimal(100)):
            findings = Findings(seen.rows)
            source = Source(written=as_said, scale=scale, negative="REFUND")
            held = numbers(seen.column, source, scale, partial(noted, findings, "", seen.column))
            if (~held.missing).sum() >= _MOSTLY * seen.filled:
                return as_said, scale, bool((held.values < 0).any())
    return None


def is_whole_numbers(seen: Seen) -> bool:
    found = numbers_of(seen)
    return found is not None and found[1] == 1
