"""A file with the columns of label.v1: every row right, or the first wrong one named."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.domain.contracts.bounds import Bounds, bounds_of
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.declared import Source
from riskstream.workbench.mapping.findings import Findings, flags, noted
from riskstream.workbench.mapping.instants import instants
from riskstream.workbench.mapping.numbers import numbers
from riskstream.workbench.mapping.plain import plain
from riskstream.workbench.mapping.words import symbols, texts

_PLAIN = Source()


def read_label_rows(path: Path, now_ms: int, accepted: frozenset[str]) -> pa.Table:
    """The rows in the file's order. Fatal where a column is missing or a row is wrong."""
    files, bounds = Files(path), bounds_of("label.v1")
    needed = [each.name for each in bounds.values() if not each.has_default] + ["source"]
    if missing := [name for name in needed if name not in files.names]:
        raise _wrong(path, f"column {missing[0]} is missing", f"give {', '.join(needed)}")
    names = [name for name in bounds if name in files.names]
    found = [
        _converted(rows, [bounds[name] for name in names], now_ms + DAY_MS, accepted)
        for rows in files.batches(names, set(bounds).difference(names))
    ]
    if not found:
        raise _wrong(path, "it holds no rows", "give labels")
    return pa.concat_tables(found)


def _converted(
    rows: FileRows, fields: list[Bounds], latest_ms: int, accepted: frozenset[str]
) -> pa.Table:
    findings = Findings(rows.batch.num_rows, accepted)
    columns = {}
    for bounds in fields:
        columns[bounds.name] = _field(
            bounds, plain(rows.batch.column(bounds.name)), findings, latest_ms
        )
    told = [(int(rows.places[at]), found) for at, found in findings.in_order()]
    for place, why in rows.broken:
        raise _wrong(rows.path, f"line {place:,}: {why}", "correct it or leave it out")
    for place, found in told:
        shown = f" ({found.value!r})" if found.value else ""
        what = f"line {place:,}: {found.why}{shown}"
        raise _wrong(rows.path, what, "correct it or leave it out")
    return pa.table(columns)


def _field(bounds: Bounds, column: pa.Array, findings: Findings, latest_ms: int) -> pa.Array:
    note = partial(noted, findings, bounds.name, column)
    if not bounds.is_nullable and bounds.name != "loss_minor":
        note(flags(pc.is_null(column)), "empty")
    if bounds.kind == "enum":
        known = bounds.symbols
        note(flags(pc.equal(column.cast(pa.string()), known[0])), f"{known[0]} says nothing")
        return symbols(column, _PLAIN, known, note)
    if bounds.kind == "string":
        return texts(column, _PLAIN, note, is_id=bounds.min_bytes > 0)
    if bounds.name in ("occurred_at", "known_at"):
        return pa.array(instants(column, _PLAIN, note, latest_ms).values, pa.int64())
    found = numbers(column, _PLAIN, _PLAIN.scale, note)
    return pa.array(np.where(found.missing, 0, found.values), pa.int64())


def _wrong(path: Path, what: str, do: str) -> Fatal:
    return Fatal(what=what, where=str(path), do=do, exit_code=2)
