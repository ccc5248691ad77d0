"""Reads files of scores and of labels by the one reader of files: rows that do not fit are left
out with their reason.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import now_ms
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.declared import Mapping, Source
from riskstream.workbench.mapping.expressions import source_column
from riskstream.workbench.mapping.findings import Findings, noted
from riskstream.workbench.mapping.numbers import floats
from riskstream.workbench.mapping.plain import plain
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.mapping.words import labels, symbols
from riskstream.workbench.rows.columns import BASE_CURRENCY
from riskstream.workbench.rows.transactions import Reading

SCORES = ("transaction_id", "customer_id", "occurred_at", "base_amount_minor", "score")
LABELS = ("transaction_id", "is_fraud")
_IDS = ("transaction_id", "customer_id")
_DECISION, _SCORE, _FRAUD = "decision", "score", "is_fraud"


def read_scores(path: Path, reading: Reading, left_out: LeftOut) -> pa.Table:
    """The columns of SCORES and, where the file has them, decision and base_currency. The score is
    float64, null where it is empty. The columns have these names: a mapping is of other files.
    """
    files = Files(path)
    _check_there(files, SCORES)
    names = [*SCORES[:-1], *(each for each in (BASE_CURRENCY,) if each in files.names)]
    more = [_SCORE, *(each for each in (_DECISION,) if each in files.names)]
    mapping = Mapping(
        fields={name: Source(columns=(name,)) for name in names},
        absent=tuple(each for each in (BASE_CURRENCY, _DECISION) if each not in files.names),
    )
    converter = Converter(mapping, "", now_ms(), reading.accepted)
    tables = []
    for rows in files.batches([*converter.columns, *more], converter.absent):
        found, findings = converter.convert(rows), Findings(rows.batch.num_rows)
        column = plain(rows.batch.column(_SCORE))
        held = {_SCORE: _scores(column, findings)}
        if _DECISION in more:
            held[_DECISION] = plain(rows.batch.column(_DECISION))
        tables.append(_with(rows, found, findings, held, left_out))
    return _whole(tables, path, left_out).select([*names, *more])


def _scores(column: pa.Array, findings: Findings) -> pa.Array:
    """float64: floats as they are, texts and other numbers as they are written."""
    if pa.types.is_floating(column.type):
        return column.cast(pa.float64())
    values, missing = floats(column, Source(), partial(noted, findings, _SCORE, column))
    return pa.array(values, pa.float64(), mask=missing)


def read_labels(path: Path, reading: Reading, left_out: LeftOut) -> pa.Table:
    """transaction_id, customer_id where the file has it, and is_fraud: bool, null where unknown."""
    mapping = reading.mapping
    files = Files(path, mapping.layout if mapping else None)
    if mapping is None:
        _check_there(files, LABELS)
        ids = {name: Source(columns=(name,)) for name in _IDS if name in files.names}
        absent = tuple(each for each in _IDS if each not in files.names)
        mapping = Mapping(fields=ids, is_fraud=Source(columns=(_FRAUD,)), absent=absent)
    told = mapping.labels.get("outcome") or mapping.is_fraud
    if told is None:
        raise _wrong(path, "the mapping has no label", "add `label: {is_fraud: COLUMN}` to it")
    held = mapping.labels or mapping.fields
    named = {name: held[name] for name in _IDS if name in held}
    names = Mapping(fields=named, absent=mapping.absent)
    converter = Converter(names, "", now_ms(), reading.accepted)
    tables = []
    for rows in files.batches([*converter.columns, *told.columns], converter.absent):
        found, findings = converter.convert(rows), Findings(rows.batch.num_rows)
        column = _frauds(rows, told, findings, is_outcome=bool(mapping.labels))
        tables.append(_with(rows, found, findings, {_FRAUD: column}, left_out))
    return _whole(tables, path, left_out)


def _frauds(rows: FileRows, told: Source, findings: Findings, *, is_outcome: bool) -> pa.Array:
    """bool, null where the file does not say."""
    if told.is_constant:
        return pa.repeat(pa.scalar(told.value == "FRAUD"), rows.batch.num_rows)
    column = source_column(rows.batch, told, findings, _FRAUD)
    note = partial(noted, findings, _FRAUD, column)
    if is_outcome:
        outcome = symbols(column, told, ("UNKNOWN", "FRAUD", "GENUINE"), note)
        is_fraud, none = (np.array(outcome) == each for each in ("FRAUD", "UNKNOWN"))
    else:
        is_fraud, none = labels(column, told, note)
    return pa.array(is_fraud, pa.bool_(), mask=np.asarray(none, np.bool_))


def _with(
    rows: FileRows,
    found: Converted,
    findings: Findings,
    held: dict[str, pa.Array],
    left_out: LeftOut,
) -> pa.Table:
    """The rows that fit, with more columns of the same batch."""
    fits = np.isin(rows.places, found.places)
    more = [(int(rows.places[at]), why) for at, why in findings.in_order() if fits[at]]
    left_out.add(rows.path, found.left_out + more)
    table, is_good = found.transactions, pa.array(findings.is_good[fits])
    for name, column in held.items():
        table = table.append_column(name, pa.chunked_array([column.filter(pa.array(fits))]))
    return table.filter(is_good)


def _whole(tables: list[pa.Table], path: Path, left_out: LeftOut) -> pa.Table:
    """All rows. Fatal where there is none."""
    table = pa.concat_tables(tables) if tables else None
    if table is None or not len(table):
        reasons = "; ".join(line.strip() for line in left_out.said()[:3])
        if not left_out.total:
            raise _wrong(path, "it holds no rows", "give some")
        do = "correct the file or the mapping (docs/data.md)"
        raise Fatal(
            what=f"none of its rows fits: {reasons}", where=str(path), do=do, exit_code=Exit.NO
        )
    return table


def _check_there(files: Files, needed: tuple[str, ...]) -> None:
    if missing := [name for name in needed if name not in files.names]:
        raise _wrong(files.given, f"column {missing[0]} is missing", f"give {', '.join(needed)}")


def _wrong(path: Path, what: str, do: str) -> Fatal:
    return Fatal(what=what, where=str(path), do=do, exit_code=Exit.INPUT)
