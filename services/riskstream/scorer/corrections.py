"""Corrections in a micro-batch: which transactions they name, and what a score says of the record
that leaves with it.
"""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.declare import Kind
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel
from riskstream.domain.risk.features.owned.repeats import Corrected
from riskstream.scorer.flags import FLAG_ORIGINAL_UNKNOWN

NULLABLE = ("corrected_at", "corrected_amount_minor")


def hashes_of_originals(columns: Columns) -> NDArray[np.uint64] | None:
    """The hash of the id that each record corrects, 0 where none; None where no record of the batch
    corrects one.
    """
    starts, lengths = columns.span("corrects")
    if not lengths.any():
        return None
    hashes = np.empty(len(columns), np.uint64)
    hash_kernel(columns.data, starts, lengths, hashes)
    return np.where(lengths > 0, hashes, np.uint64(0))


def say_what_leaves(
    out: ColumnEncoder,
    columns: Columns,
    corrected: Corrected,
    scored: NDArray[np.bool_],
    is_cold: NDArray[np.bool_],
    odd: dict[str, NDArray[np.int64]],
) -> None:
    """Into the banks what leaves windows and sums with each scored row: the record whose place it
    takes, or itself.

    Corrections whose original is not known go into `odd`, by their flag. So do those of customers
    whose row could not be read: their original may have left already, by a correction that only the
    row knows.
    """
    is_sure = ~is_cold[corrected.rows]
    found = (
        corrected.rows[is_sure],
        corrected.times[is_sure],
        corrected.amounts[is_sure],
        corrected.are_refunds[is_sure],
    )
    late = corrected.late
    itself = (
        late,
        columns.numbers("occurred_at")[late],
        columns.numbers("base_amount_minor")[late],
        columns.numbers("kind")[late] == Kind.REFUND,
    )
    for rows, times, amounts, are_refunds in (
        found,
        itself,
    ):
        out.numbers("corrected_at")[rows], out.numbers("corrected_amount_minor")[rows] = (
            times,
            amounts,
        )
        out.numbers("corrected_is_refund")[rows] = are_refunds & scored[rows]
        for name in NULLABLE:
            out.nulls(name)[rows] = ~scored[rows]
    unknown = np.sort(np.concatenate([corrected.unknown, corrected.rows[~is_sure]]))
    unknown = unknown[scored[unknown]]
    if len(unknown):
        odd[FLAG_ORIGINAL_UNKNOWN] = unknown
