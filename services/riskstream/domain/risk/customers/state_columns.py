"""Reads records of customer-risk.v1 as columns, and says which of them are states in their place.
Pure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds, decoded
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder, Columns, plans_of
from riskstream.domain.contracts.columns_kernel import OK
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk.customer_risk import check_place, check_sums
from riskstream.domain.risk.features.keys.key_kernel import same_kernel

STATE = "customer-risk.v1"
Spans = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32]]
"""Bytes, and in them the start and the length of each of n texts."""


def spans_of(keys: Sequence[bytes | None]) -> Spans:
    """Of the keys of some records; a key that is none has no bytes."""
    joined = Joined.of(keys)
    sizes = joined.sizes
    return joined.data, joined.ends - sizes, sizes.astype(np.int32)


def name_of(key: bytes | None) -> bytes:
    """Whose state a record without a value erases: its key, made a text."""
    return (key or b"").decode(errors="replace").encode()


def tile_fields() -> tuple[str, ...]:
    """Names of a tile's numbers, in the order of the contract."""
    return plans_of(contract(STATE))[0].field("hourly").columns


class StateColumns:
    """States whose sums are in `base_currency`."""

    def __init__(self, base_currency: str) -> None:
        self._base_currency, self._codec = base_currency, codec(STATE)
        self._decoder = ColumnDecoder(STATE)
        self._bounds = ColumnBounds(STATE, self._decoder.layout)

    def placed(
        self, partition: int, keys: Sequence[bytes | None], frames: Sequence[bytes | None]
    ) -> tuple[Columns, NDArray[np.bool_]]:
        """(records as columns, which of them are states of their key's customer and of the
        partition that they stand in).
        """
        columns = self._decoder.decode(frames)
        is_placed = np.empty(len(keys), np.bool_)
        same_kernel(columns.data, *columns.span("customer_id"), *spans_of(keys), is_placed)
        is_placed &= Joined.of(keys).nulls == 0
        is_placed &= (columns.status == OK) & ~self._bounds.broken(columns)
        is_placed &= columns.numbers("src_partition") == partition
        return columns, is_placed

    def is_of_currency(self, columns: Columns) -> NDArray[np.bool_]:
        """True where a state's sums are in the base currency."""
        return columns.is_text("base_currency", self._base_currency.encode())

    def alone(self, partition: int, key: bytes | None, value: bytes | None) -> bytes:
        """The frame of one state in our own schema; Rejected where it is none, misplaced or of
        another currency, SchemaWait while its schema is being asked for.
        """
        state = decoded(self._codec, value)
        check_place(state, key, partition)
        check_sums(state, self._base_currency)
        return self._codec.encode(state)
