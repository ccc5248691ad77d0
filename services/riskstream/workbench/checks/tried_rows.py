"""Past transactions as rules read them: rows of a file of transactions, whose features are
computed, or rows that scorers logged.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.money import exact
from riskstream.domain.risk.rules.inputs import FIELD_OF
from riskstream.domain.risk.rules.names import Kind, Name
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.reader import Files, read_columns
from riskstream.workbench.mapping.hashed import hashes
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.columns import BASE_CURRENCY, enum_indices, one_currency
from riskstream.workbench.rows.logged import STAGE2, check_logged, vector_column
from riskstream.workbench.rows.transactions import AS_IS, LABEL, Reading, read_transactions


class _Rows:
    """Rows in order of time, of which a part is read at once."""

    def __init__(self, occurred_at: NDArray[np.int64]) -> None:
        self.occurred_at = occurred_at
        self._slice = slice(0, len(occurred_at))

    def __len__(self) -> int:
        return self._slice.stop - self._slice.start

    def at(self, start: int, stop: int) -> Self:
        """These rows from `start` to `stop` are read next."""
        self._slice = slice(start, min(stop, len(self.occurred_at)))
        return self

    def _times(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return self.occurred_at[self._slice].astype(np.float64), np.ones(len(self), np.bool_)

    def _part(self, table: pa.Table, name: str) -> pa.ChunkedArray:
        return table[name].slice(self._slice.start, len(self))


class FileRows(_Rows):
    """Rows of a file as rules read them: the contract's columns, and the features computed over
    it, as float32 like the scorer's.
    """

    def __init__(
        self,
        path: Path,
        features: FeatureSet,
        names: dict[str, Name],
        needed: frozenset[str],
        reading: Reading = AS_IS,
    ) -> None:
        computed = {each.name for each in features.features}
        places = {
            each: features.names.index(each)
            for each in needed
            if each in computed and each not in bounds_of("transaction.v1")
        }
        wanted = sorted(name for name in needed if name not in places and name != "occurred_at")
        if "score" in wanted:
            raise Fatal(
                what="a rule asks for the score, which a file of transactions does not have",
                where=str(path),
                do="give a file of `riskstream logged`, or leave the score out of a dry run",
                exit_code=Exit.INPUT,
            )
        read = read_transactions(path, replace(reading, more=tuple(wanted)))
        super().__init__(read.columns.occurred_at)
        self.amount_minor = exact(read.columns.base_amount_minor)
        self.base_currency, self.left_out = read.base_currency, read.left_out
        mapped = reading.mapping.fields if reading.mapping else wanted
        self.left_empty = [name for name in wanted if name not in mapped]
        self.labels, self.has_label = read.labels, read.has_label
        self._names = names
        self._features: NDArray[np.float32] | None = None
        if places:
            with reading.steps("features", len(self.occurred_at)) as advance:
                self._features = read.vectors(features, advance)
        self._places = places
        self._table = pa.table({}) if read.more is None else read.more

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if name in self._places and self._features is not None:
            return _there(self._features[self._slice, self._places[name]])
        if name == "occurred_at":
            return self._times()
        column = self._part(self._table, name)
        there = np.asarray(pc.is_valid(column).to_numpy(), np.bool_)
        if self._names[name].kind is Kind.SYMBOL:
            return enum_indices(column, name).astype(np.float64), there
        return np.asarray(pc.fill_null(column, 0).to_numpy(), np.float64), there

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        return _hashes(self._part(self._table, name))


_LOGGED = ("transaction_id", "customer_id", "occurred_at", "base_amount_minor", BASE_CURRENCY)
"""Fields of the transaction that scores repeat."""


def not_logged(needed: Collection[str], features: FeatureSet) -> list[str]:
    """Which of these names a file of `riskstream logged` does not hold, sorted."""
    held = {*_LOGGED, "score", *_inputs(features), *(each.name for each in features.features)}
    return sorted(set(needed) - held)


def _inputs(features: FeatureSet) -> dict[str, str]:
    """By field the input of the vector that holds it as it is."""
    fields = {FIELD_OF[each.input]: each.name for each in features.inputs}
    return {name: fields[name] for name in ("kind", "channel", "mcc") if name in fields}


class LoggedFileRows(_Rows):
    """Rows of files of `riskstream logged` as rules read them: vectors and scores are those that
    were used, and nothing is computed again. Fatal where it is of another feature set or base
    currency.

    `needed` are names in which `not_logged` finds nothing. `lacks_stage2`: an older version wrote
    the file, and it does not say which scores a second stage replaced.
    """

    def __init__(
        self, path: Path, features: FeatureSet, needed: frozenset[str], base_currency: str
    ) -> None:
        check_logged(path, features)
        inputs = _inputs(features)
        self._columns = {
            name: name if name in (*_LOGGED, "score") else vector_column(inputs.get(name, name))
            for name in needed
        }
        files = Files(path)
        found = files.names
        self.lacks_stage2 = "score" in needed and STAGE2 not in found
        more = {STAGE2} if "score" in needed and STAGE2 in found else set()
        wanted = {*_LOGGED, LABEL, *self._columns.values()} | more
        if missing := sorted(wanted - set(found)):
            raise Fatal(
                what=f"column {missing[0]} is missing",
                where=str(path),
                do="give the file as `riskstream logged` wrote it",
                exit_code=Exit.INPUT,
            )
        # each file is in order of time, and its folder in order of names
        self._table = table = read_columns(files, sorted(wanted)).sort_by("occurred_at")
        super().__init__(np.array(table["occurred_at"].cast(pa.int64()).to_numpy(), np.int64))
        self.amount_minor = exact(np.array(table["base_amount_minor"].to_numpy(), np.int64))
        self.base_currency, self.left_out = one_currency(table, path, base_currency), LeftOut()
        self.left_empty: list[str] = []
        self.labels = np.array(table[LABEL].to_numpy(), np.bool_)
        self.has_label = np.ones(len(table), np.bool_)

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if name == "occurred_at":
            return self._times()
        column = self._part(self._table, self._columns[name])
        if name == "score" and STAGE2 in self._table.column_names:  # that which decided
            column = pc.coalesce(self._part(self._table, STAGE2), column)
        return _there(column.to_numpy())

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        return _hashes(self._part(self._table, self._columns[name]))


TriedRows = FileRows | LoggedFileRows


def _there(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    out = values.astype(np.float64)
    return out, ~np.isnan(out)


def _hashes(column: pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    there = np.asarray(pc.is_valid(column).to_numpy(), np.bool_)
    return hashes(pc.fill_null(column.cast(pa.string()), "")), there
