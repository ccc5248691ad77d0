"""A file of labels, with the columns of label.v1 or a mapping to them: every row right, or the
first wrong one named.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.steps import Steps, untold
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.declared import Mapping, Source
from riskstream.workbench.mapping.fields import FieldReader, as_amount
from riskstream.workbench.mapping.findings import Finding, Findings, flags

_RECORD = "label.v1"


def read_label_rows(
    path: Path,
    now_ms: int,
    accepted: frozenset[str],
    mapping: Mapping | None = None,
    steps: Steps = untold,
) -> pa.Table:
    """The rows in the file's order. Fatal where a column is missing or a row is wrong."""
    files = Files(path, mapping.layout if mapping else None)
    mapping = mapping or _by_names(files)
    sources = {name: as_amount(name, each, accepted) for name, each in mapping.labels.items()}
    columns = [name for each in sources.values() for name in each.columns]
    found = []
    with steps("read", files.total) as advance:
        for rows in files.batches(columns, mapping.absent):
            findings = Findings(rows.batch.num_rows, accepted)
            found.append(_converted(rows, sources, findings, now_ms + DAY_MS))
            _refuse(rows, findings)
            advance(rows.batch.num_rows)
    if not found:
        raise _wrong(path, "it holds no rows", "give labels")
    return pa.concat_tables(found)


def _by_names(files: Files) -> Mapping:
    """The mapping of a file whose columns have the contract's names."""
    bounds = bounds_of(_RECORD)
    needed = [each.name for each in bounds.values() if not each.has_default] + ["source"]
    if missing := [name for name in needed if name not in files.names]:
        do = f"give {', '.join(needed)}, or a --mapping"
        raise _wrong(files.given, f"column {missing[0]} is missing", do)
    return Mapping(
        fields={},
        labels={name: Source(columns=(name,)) for name in bounds if name in files.names},
        absent=tuple(name for name in bounds if name not in files.names),
    )


def _converted(
    rows: FileRows, sources: dict[str, Source], findings: Findings, latest_ms: int
) -> pa.Table:
    bounds = bounds_of(_RECORD)
    reader = FieldReader(record=_RECORD, rows=rows, findings=findings, latest_ms=latest_ms)
    columns: dict[str, pa.Array] = {}
    for name in sorted(sources, key=lambda each: each == "loss_minor"):  # behind its currency
        column = reader.column(bounds[name], sources[name], columns)
        if bounds[name].kind == "enum":
            unknown = bounds[name].symbols[0]
            is_unknown = flags(pc.equal(column, unknown))
            findings.note(is_unknown, f"{name}: {unknown} says nothing", column)
        columns[name] = column
    return pa.table({name: columns[name] for name in bounds if name in columns})


def _refuse(rows: FileRows, findings: Findings) -> None:
    """Fatal where a row is wrong."""
    told = [(int(rows.places[at]), found) for at, found in findings.in_order()]
    told += [(place, Finding(why=why, value="")) for place, why in rows.broken]
    if (at := findings.refusal) is not None:
        told = [(int(rows.places[at.at]), Finding(why=at.why, value=at.value))]
    for place, found in told:
        shown = f" ({found.value!r})" if found.value else ""
        what = f"line {place:,}: {found.why}{shown}"
        raise _wrong(rows.path, what, "correct it or leave it out")


def _wrong(path: Path, what: str, do: str) -> Fatal:
    return Fatal(what=what, where=str(path), do=do, exit_code=Exit.INPUT)
