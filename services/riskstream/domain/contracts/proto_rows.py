"""A TransactionBatch of protobuf into columns: the reading half of the gRPC stream.

An item is `plain` where its texts are ASCII, no field stands twice, and the door (`door.py`) would
refuse nothing. Every other one is left to the door, which takes it or says what is wrong.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.columns import Columns, plans_of
from riskstream.domain.contracts.json_rows import JsonRows, field_row
from riskstream.domain.contracts.json_text import Unreadable
from riskstream.domain.contracts.proto_model import MAX_ITEMS, gateway_file
from riskstream.domain.contracts.proto_rows_kernel import (
    NO_BATCH,
    PLAIN,
    RECEIPT_BYTES,
    TOO_MANY,
    proto_rows_kernel,
    receipts_kernel,
)

NAME, MESSAGE = "transaction.v1", "Transaction"


@dataclass(frozen=True, slots=True)
class ProtoRows:
    """The items of a batch, its `sequence`, and the `texts` with so many digits that they may hold
    card numbers.
    """

    rows: JsonRows
    sequence: int
    texts: bytes


class ProtoRowsReader:
    """Reads batches of transactions. `filled`: as of `JsonRowsReader`."""

    def __init__(self, filled: tuple[str, ...]) -> None:
        self._layout, _ = plans_of(contract(NAME))
        bounds = bounds_of(NAME)
        self.names = tuple(bounds)
        self.fields = tuple(self._layout.field(each) for each in bounds)
        self.texts = frozenset(each.name for each in bounds.values() if each.kind == "string")
        message = gateway_file().message(MESSAGE)
        numbers = {each.name: each.number for each in message.fields}
        kinds = {each.name: each.kind for each in message.fields}
        self._by_number = np.full(max(numbers.values()) + 1, -1, np.int64)
        self._fields = np.zeros((len(bounds), 6), np.int64)
        widest = max(n for each in gateway_file().enums for _, n in each.symbols)
        self._codes = np.full((len(bounds), widest + 1), -1, np.int64)
        needed = 0
        for at, each in enumerate(bounds.values()):
            self._by_number[numbers[each.name]] = at
            self._fields[at] = field_row(each, self._layout.field(each.name), 0)
            if each.symbols:
                for symbol, number in gateway_file().enum(kinds[each.name]).symbols:
                    if symbol != "UNKNOWN":
                        self._codes[at, number] = each.symbols.index(symbol)
            falls_back = bool(each.symbols) and not each.is_nullable
            is_needed = (not each.has_default or falls_back) and each.name not in filled
            needed |= is_needed << at
        self._needed = np.uint64(needed)

    def read(self, body: bytes, most: int = MAX_ITEMS) -> ProtoRows:
        """The items of a batch, `most` at most. Unreadable where the bytes are no batch, or have
        more of them.
        """
        n = min(most, len(body) // 2 + 1)
        columns = Columns.empty(self._layout, np.frombuffer(body or b"\0", np.uint8).copy(), n)
        given, status = np.zeros(n, np.uint64), np.zeros(n, np.uint8)
        begins, ends = np.zeros(n, np.int64), np.zeros(n, np.int64)
        texts, told = np.empty(len(body) + 1, np.uint8), np.zeros(2, np.int64)
        found = proto_rows_kernel(
            columns.data[: len(body)],
            self._by_number,
            self._fields,
            self._codes,
            self._needed,
            columns.ints,
            columns.starts,
            columns.lengths,
            given,
            status,
            begins,
            ends,
            texts,
            told,
        )
        if found == TOO_MANY:
            detail = f"the batch has more than {most:,} transactions; send fewer"
            raise Unreadable(code="too-many-items", detail=detail)
        if found == NO_BATCH:
            detail = "the bytes are no TransactionBatch, or have a field that it does not"
            raise Unreadable(code="malformed-message", detail=detail)
        for at, name in enumerate(self.names):
            null_row = self._layout.field(name).null_row
            if null_row >= 0:
                columns.nulls[null_row] = (given >> np.uint64(at)) & np.uint64(1) == 0
        rows = JsonRows(
            columns, (status == PLAIN)[:found], begins[:found], ends[:found], given, self.names
        )
        return ProtoRows(rows, int(told[0]), texts[: told[1]].tobytes())


@cache
def proto_rows_reader(filled: tuple[str, ...] = ()) -> ProtoRowsReader:
    """The reader, made once."""
    return ProtoRowsReader(filled)


def receipts(places: NDArray[np.int64]) -> bytes:
    """The receipts of `places` int64[n, 2] (partition, offset), as members of a ReceiptBatch."""
    out = np.empty(len(places) * RECEIPT_BYTES, np.uint8)
    return out[: receipts_kernel(places, out)].tobytes()
