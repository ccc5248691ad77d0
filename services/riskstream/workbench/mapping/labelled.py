"""What a file says of its transactions: which were frauds, and when that became known."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.workbench.mapping.declared import Mapping
from riskstream.workbench.mapping.expressions import source_column
from riskstream.workbench.mapping.findings import Findings, Flags, among, flags, noted
from riskstream.workbench.mapping.instants import instants
from riskstream.workbench.mapping.words import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Of n rows: `has_label`, `is_fraud` (False without one), and when it became known, `known_at`
    int64[n] ms.
    """

    has_label: Flags
    is_fraud: Flags
    known_at: NDArray[np.int64]

    def of(self, rows: NDArray[Any]) -> "Labelled":
        """These rows alone: a mask, or numbers in order."""
        return Labelled(
            has_label=self.has_label[rows],
            is_fraud=self.is_fraud[rows],
            known_at=self.known_at[rows],
        )


def all_of(parts: list[Labelled]) -> Labelled:
    """The rows of all parts."""
    return Labelled(
        has_label=np.concatenate([each.has_label for each in parts]),
        is_fraud=np.concatenate([each.is_fraud for each in parts]),
        known_at=np.concatenate([each.known_at for each in parts]),
    )


def labelled(
    mapping: Mapping,
    batch: pa.RecordBatch,
    columns: dict[str, pa.Array],
    findings: Findings,
    latest_ms: int,
) -> Labelled | None:
    """The labels of a batch whose transactions are `columns`; None where the mapping names none. A
    value that is none of two leaves out its row.
    """
    if mapping.is_fraud is None:
        return None
    column = source_column(batch, mapping.is_fraud, findings, "is_fraud")
    is_fraud, none = labels(column, mapping.is_fraud, partial(noted, findings, "is_fraud", column))
    occurred = np.asarray(columns["occurred_at"].to_numpy(zero_copy_only=False), np.int64)
    known = occurred + mapping.delay_ms
    if mapping.known_at is not None:
        told = source_column(batch, mapping.known_at, findings, "label known_at")
        note = among(~none, partial(noted, findings, "label known_at", told))
        known, missing = instants(told, mapping.known_at, note, latest_ms)
        note(flags(pc.is_null(told)), "empty")
        note(~missing & (known < occurred), "before occurred_at")
    return Labelled(has_label=~none, is_fraud=is_fraud & ~none, known_at=known)
