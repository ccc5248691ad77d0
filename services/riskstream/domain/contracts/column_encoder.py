"""Encodes a micro-batch of records from columns: the writing half of the columnar codec."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.columns import Columns, plans_of
from riskstream.domain.contracts.columns_kernel import FIXED, encode_kernel
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.contracts.writers import wire_id
from riskstream.runtime.errors import Fatal

MAX_WORDS = 8
"""Most items of an array of texts."""
NO_ITEMS = np.zeros((0, 1), np.int64)


class ColumnEncoder:
    """Encodes up to `capacity` records of a flat contract a call.

    The caller fills the banks (`numbers`, `nulls`, `spans`, `vectors`, `longs`, `codes`) for rows
    0..n-1, then calls `encode`. Texts come either from the input's joined bytes (`from_input`) or
    from the dictionary of `word`s, and arrays of floats named in `from_input` from those bytes as
    well, else from `vectors`. Spans of an array of records, and of longs named in `from_items`, are
    (first, count) in `encode`'s items.
    """

    def __init__(
        self,
        name: str,
        *,
        capacity: int,
        vector_width: int = 0,
        long_width: int = 0,
        from_input: tuple[str, ...] = (),
        from_items: tuple[str, ...] = (),
    ) -> None:
        self.contract = contract(name)
        self.layout, plans = plans_of(self.contract)
        self.capacity = capacity
        a, b, c, d, e = (max(rows, 1) for rows in self.layout.bank_rows)
        self._ints = np.zeros((a, capacity), np.int64)
        self._floats = np.zeros((b, capacity), np.float32)
        self._doubles = np.zeros((c, capacity), np.float64)
        self._starts = np.zeros((d, capacity), np.int64)
        self._lengths = np.zeros((d, capacity), np.int32)
        self._nulls = np.zeros((e, capacity), np.uint8)
        self.vectors = np.zeros((capacity, max(vector_width, 1)), np.float32)
        self.vector_lengths = np.zeros(capacity, np.int32)
        self.longs = np.zeros((capacity, max(long_width, 1)), np.int64)
        self.long_counts = np.zeros(capacity, np.int32)
        self._ops = plans[self.contract.id].ops.copy()
        self._text_arrays: dict[str, int] = {}
        for op, field in zip(self._ops, self.layout.fields, strict=True):
            if field.kind == p.TEXT:
                op[3] = 0 if field.name in from_input else 1
            elif field.kind == p.TEXTS:
                op[3] = self._text_arrays.setdefault(field.name, len(self._text_arrays))
            elif field.kind == p.FLOATS:
                op[3] = field.name in from_input
            elif field.name in from_items:  # an array of longs is one of records of one long
                op[0], op[3] = p.ROWS, 1
        self._widest = np.ones(d, np.int64)
        for field in self.layout.fields:
            if field.kind == p.ROWS:
                self._widest[field.bank_row] = 10 * len(field.columns)
            elif field.kind in (p.FLOATS, p.LONGS):
                self._widest[field.bank_row] = 10
        rows = max(len(self._text_arrays), 1)
        self._codes = np.zeros((rows, capacity, MAX_WORDS), np.int32)
        self._code_counts = np.zeros((rows, capacity), np.uint8)
        self._words: dict[str, int] = {}
        self._longest_word = 0
        self._word_bytes = np.zeros(0, np.uint8)
        self._word_ends = np.zeros(0, np.int32)
        self._header = np.frombuffer(
            b"\0" + wire_id(self.contract).to_bytes(4, "big"), np.uint8
        ).copy()
        self._out = np.zeros(0, np.uint8)
        self._ends = np.zeros(capacity, np.int64)
        self.word("")

    def word(self, text: str) -> int:
        """Code of a text in the dictionary, added when new."""
        if text not in self._words:
            raw = np.frombuffer(text.encode(), np.uint8)
            self._words[text] = len(self._words)
            self._word_bytes = np.concatenate([self._word_bytes, raw])
            self._word_ends = np.append(self._word_ends, np.int32(len(self._word_bytes))).astype(
                np.int32
            )
            self._longest_word = max(self._longest_word, len(raw))
        return self._words[text]

    def numbers(self, name: str) -> NDArray[np.int64]:
        """Row of an integer, enum, instant or boolean field."""
        row: NDArray[np.int64] = self._ints[self.layout.field(name).bank_row]
        return row

    def floats(self, name: str) -> NDArray[np.float32]:
        """Row of a float field."""
        row: NDArray[np.float32] = self._floats[self.layout.field(name).bank_row]
        return row

    def nulls(self, name: str) -> NDArray[np.uint8]:
        """Row of 1 = null of a nullable field."""
        row: NDArray[np.uint8] = self._nulls[self.layout.field(name).null_row]
        return row

    def spans(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """(start, length) rows of a text field; (first, count) of an array of records or of longs;
        of floats (start, count).
        """
        row = self.layout.field(name).bank_row
        return self._starts[row], self._lengths[row]

    def set_word(self, name: str, rows: slice | NDArray[np.bool_], text: str) -> None:
        """Give a dictionary text field one value for some rows."""
        code = self.word(text)
        end = int(self._word_ends[code])
        length = len(text.encode())
        starts, lengths = self.spans(name)
        starts[rows] = end - length
        lengths[rows] = length

    def codes(self, name: str) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """(codes [capacity, 8], how many of them count) of an array of texts."""
        row = self._text_arrays[name]
        return self._codes[row], self._code_counts[row]

    def filled(self, n: int, data: NDArray[np.uint8]) -> Columns:
        """What records 0..n-1 hold, as if they had been decoded; valid until the banks change.
        Texts must come from the input, whose bytes `data` are.
        """
        return Columns(
            layout=self.layout,
            status=np.zeros(n, np.uint8),
            data=data,
            ints=self._ints,
            floats=self._floats,
            doubles=self._doubles,
            starts=self._starts,
            lengths=self._lengths,
            nulls=self._nulls,
        )

    def encode(
        self, n: int, data: NDArray[np.uint8], items: NDArray[np.int64] = NO_ITEMS
    ) -> Joined:
        """Frames of records 0..n-1; `data` are the bytes behind the `from_input` spans, `items`
        int64[any, columns] those of arrays of records.
        """
        done = 0
        while True:
            done = encode_kernel(
                done,
                n,
                self._header,
                self._out,
                self._ops,
                self._ints,
                self._floats.view(np.uint8),
                self._doubles.view(np.uint8),
                self._starts,
                self._lengths,
                self._nulls,
                self.vectors.view(np.uint8),
                self.vector_lengths,
                self.longs,
                self.long_counts,
                self._codes,
                self._code_counts,
                items,
                data,
                self._word_bytes,
                self._word_ends,
                self._ends,
            )
            if done == n:
                break
            if done < 0:
                raise Fatal(
                    what=f"record {-1 - done} has a count or a code that its bank has no room for",
                    where=f"ColumnEncoder of {self.contract.name}",
                    do="report this: nothing was written past the end",
                )
            self._grow(done, n)
        total = int(self._ends[n - 1]) if n else 0
        return Joined(self._out[:total].copy(), self._ends[:n].copy(), np.zeros(n, np.uint8))

    def _grow(self, done: int, n: int) -> None:
        """Room for record `done` at the least: twice as much, and what the records so far say of
        those to come.
        """
        mean = int(self._ends[done - 1]) // done if done else 0
        texts = int(self._lengths[:, done] @ self._widest) + MAX_WORDS * len(self._text_arrays) * (
            10 + self._longest_word
        )
        least = (
            5
            + FIXED * len(self._ops)
            + texts
            + 4 * self.vectors.shape[1]
            + 10 * self.longs.shape[1]
        )
        used = int(self._ends[done - 1]) if done else 0
        fresh = np.zeros(max(2 * len(self._out), used + least + mean * (n - done)), np.uint8)
        fresh[:used] = self._out[:used]
        self._out = fresh
