"""Columns that an expression of the rules' language computes from others of the file."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.risk.rules.expression import computation
from riskstream.domain.risk.rules.names import RuleError
from riskstream.domain.risk.rules.rule import hash_of
from riskstream.workbench.mapping.declared import Computed, Source
from riskstream.workbench.mapping.findings import Findings, Note, flags, noted
from riskstream.workbench.mapping.hashed import hashes
from riskstream.workbench.mapping.numbers import floats
from riskstream.workbench.mapping.plain import as_texts, column_of, plain
from riskstream.workbench.mapping.words import without


def computed_by(text: str, names: dict[str, str]) -> Computed:
    """The expression, with the file's column of each name: its own, or the one that `names` says.
    RuleError where it is none, or names what it does not read.
    """
    what = computation(text, hash_of)
    if not what.names:
        raise RuleError("it reads no column: say `value:`")
    if unused := sorted(set(names) - set(what.names)):
        raise RuleError(f"it does not read {unused[0]}, which `names` has")
    return Computed(what=what, columns=tuple((each, names.get(each, each)) for each in what.names))


def source_column(batch: pa.RecordBatch, source: Source, findings: Findings, name: str) -> pa.Array:
    """The column that a field comes from. What an expression cannot read is noted, with the field's
    `name` and the column.
    """
    if source.computed is None:
        return column_of(batch, source)

    def note_of(column: str, values: pa.Array) -> Note:
        return partial(noted, findings, f"{name}: column {column}", values)

    rows = _Rows(batch, source, source.computed, note_of)
    what = source.computed.what
    if what.number is not None:
        values, there = what.number(rows)
        return pa.array(np.where(there, values, 0.0), pa.float64(), mask=~there)
    assert what.truth is not None
    return pa.array(what.truth(rows, {})).cast(pa.string())


class _Rows:
    """A batch as expressions read it."""

    def __init__(
        self,
        batch: pa.RecordBatch,
        source: Source,
        computed: Computed,
        note_of: Callable[[str, pa.Array], Note],
    ) -> None:
        self._batch, self._source, self._note_of = batch, source, note_of
        self._columns = dict(computed.columns)

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        column = self._column(name)
        values, missing = floats(column, self._source, self._note_of(self._columns[name], column))
        return values, ~missing & np.isfinite(values)

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        column = self._column(name)
        text = as_texts(column)
        lost = flags(pc.and_not(pc.is_valid(column), pc.is_valid(text)))
        self._note_of(self._columns[name], column)(lost, f"a {column.type} is no text")
        there = flags(pc.is_valid(text))
        return hashes(pa.chunked_array([text.fill_null("")])), there

    def _column(self, name: str) -> pa.Array:
        column = plain(self._batch.column(self._columns[name]))
        return without(column, self._source.empty) if pa.types.is_string(column.type) else column
