"""Verdicts of decoded transactions and labels by the reject rules, and the keys of a batch as the
kernels read them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds, bounds_of, text_limits
from riskstream.domain.contracts.columns import REASONS as FRAME_REASONS
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.contracts.plan import Layout
from riskstream.domain.risk import validity

MAX_KEY_BYTES = 1024
"""Of a key as the kernels read it: well over the bound of a customer_id."""
OUT_OF_BOUNDS = "out_of_bounds"
"""Reason of a label that breaks a bound of its contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of a batch in one buffer: key i is data[ends[i-1]:ends[i]]; nulls is 1 where there
    is none.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    nulls: NDArray[np.uint8]

    @classmethod
    def of(cls, keys: Sequence[bytes | None]) -> "Keys":
        joined = Joined.of(keys)
        if len(joined) and joined.sizes.max() > MAX_KEY_BYTES:
            # no customer's: its beginning says as much
            joined = Joined.of([key and key[:MAX_KEY_BYTES] for key in joined])
        return cls(data=joined.data, ends=joined.ends, nulls=joined.nulls)


class Judge:
    """Judges columns of transaction.v1, whose base amounts must be in `base_currency`."""

    def __init__(self, layout: Layout, base_currency: str) -> None:
        self._base = np.frombuffer(base_currency.encode(), np.uint8).copy()
        bounds = bounds_of("transaction.v1")
        self._texts = np.array([layout.field(name).bank_row for name in validity.TEXTS], np.int64)
        self._numbers = np.array(
            [layout.field(name).bank_row for name in validity.NUMBERS], np.int64
        )
        self._limits = text_limits(layout, bounds)
        self._ranges = np.array([bounds[name].range for name in validity.NUMBERS], np.int64)

    def judge(
        self, columns: Columns, keys: Keys, appended_at: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Why each decoded record is rejected (validity.REASONS), OK where it is good or was not
        decoded.
        """
        out = np.empty(len(columns), np.uint8)
        validity.validity_kernel(
            columns.status,
            columns.data,
            keys.data,
            keys.ends,
            keys.nulls,
            columns.starts,
            columns.lengths,
            self._texts,
            self._limits,
            columns.ints,
            self._numbers,
            self._ranges,
            columns.is_null("mcc"),
            appended_at,
            self._base,
            out,
        )
        return out

    @staticmethod
    def reason(columns: Columns, reject: NDArray[np.uint8], index: int) -> str:
        """The word for why a record was rejected."""
        status = int(columns.status[index])
        return FRAME_REASONS[status] if status else validity.REASONS[int(reject[index])]


class LabelJudge:
    """Judges columns of label.v1, whose losses must be in `base_currency`."""

    def __init__(self, layout: Layout, base_currency: str) -> None:
        self._base, self._bounds = base_currency.encode(), ColumnBounds("label.v1", layout)

    def rejected(self, columns: Columns) -> list[tuple[int, str]]:
        """(row, reason) of each record that is no label, in order."""
        out_of_bounds = self._bounds.broken(columns)
        is_other = (columns.numbers("loss_minor") != 0) & ~columns.is_text(
            "base_currency", self._base
        )
        out = []
        for row in np.flatnonzero((columns.status != 0) | out_of_bounds | is_other).tolist():
            if columns.status[row]:
                out.append((row, FRAME_REASONS[int(columns.status[row])]))
            else:
                out.append(
                    (
                        row,
                        OUT_OF_BOUNDS
                        if out_of_bounds[row]
                        else validity.REASONS[validity.OTHER_BASE],
                    )
                )
        return out
