"""Byte strings of a batch in one buffer: what kernels and a compiled client read, and lists only
where someone asks.
"""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.joined_kernel import pick_kernel
from riskstream.runtime.errors import Fatal


class Joined(Sequence[bytes | None]):
    """n byte strings: item i is data[ends[i-1]:ends[i]], or None where nulls[i] is 1.

    `data` uint8 has at least one byte, `ends` int64[n], `nulls` uint8[n]. Nobody writes into `data`
    or `ends`.
    """

    __slots__ = ("_items", "data", "ends", "nulls")

    def __init__(
        self, data: NDArray[np.uint8], ends: NDArray[np.int64], nulls: NDArray[np.uint8]
    ) -> None:
        self.data = data if len(data) else np.zeros(1, np.uint8)
        self.ends, self.nulls = ends, nulls
        self._items: list[bytes | None] | None = None

    @classmethod
    def of(cls, items: Sequence[bytes | None]) -> "Joined":
        """The items joined; those that are joined already as they are."""
        if isinstance(items, Joined):
            return items
        given, n = list(items), len(items)
        nulls, present = np.zeros(n, np.uint8), given
        try:
            sizes = np.fromiter(map(len, given), np.int64, n)  # type: ignore[arg-type]  # None is rare, and handled below
        except TypeError:
            nulls[[index for index, item in enumerate(given) if item is None]] = 1
            present = [item or b"" for item in given]
            sizes = np.fromiter(map(len, present), np.int64, n)  # type: ignore[arg-type]
        raw = b"".join(present)  # type: ignore[arg-type]
        made = cls(np.frombuffer(raw, np.uint8), np.cumsum(sizes), nulls)
        made._items = given
        return made

    @classmethod
    def chained(cls, parts: "Sequence[Joined]") -> "Joined":
        """The items of all parts, one part behind another."""
        if len(parts) == 1:
            return parts[0]
        used = [int(part.ends[-1]) if len(part) else 0 for part in parts]
        begins = np.cumsum([0, *used])
        none = np.zeros(0, np.uint8)
        return cls(
            np.concatenate([none, *(part.data[:n] for part, n in zip(parts, used, strict=True))]),
            np.concatenate(
                [np.zeros(0, np.int64)]
                + [part.ends + at for part, at in zip(parts, begins, strict=False)]
            ),
            np.concatenate([none, *(part.nulls for part in parts)]),
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Length of each item, 0 of None."""
        out = self.ends.copy()
        out[1:] -= self.ends[:-1]
        return out

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes | None]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes | None] | None:
        if self._items is not None or isinstance(at, slice):
            return self.tolist()[at]
        index = range(len(self))[at]
        if self.nulls[index]:
            return None
        start = int(self.ends[index - 1]) if index else 0
        return self.data[start : int(self.ends[index])].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        return iter(self.tolist())

    def tolist(self) -> list[bytes | None]:
        """The items one by one. Nobody changes the list: it is kept."""
        if self._items is None:
            raw, start = self.data[: int(self.ends[-1]) if len(self) else 0].tobytes(), 0
            items: list[bytes | None] = []
            for end in self.ends.tolist():
                items.append(raw[start:end])
                start = end
            for index in np.flatnonzero(self.nulls).tolist():
                items[index] = None
            self._items = items
        return self._items

    def present(self) -> list[bytes]:
        """As `tolist`, b"" in place of None."""
        items = self.tolist()
        return [item or b"" for item in items] if self.nulls.any() else items  # type: ignore[return-value]

    def kept(self, is_kept: NDArray[np.bool_]) -> "Joined":
        """Only the items where `is_kept`, bool[n], is True."""
        return self.rows(np.flatnonzero(is_kept))

    def rows(self, rows: NDArray[np.int64]) -> "Joined":
        """The items at `rows`, which rise; those that stand side by side are not copied."""
        n = len(rows)
        if n == len(self):
            return self
        if n and rows[-1] - rows[0] == n - 1:
            first, stop = int(rows[0]), int(rows[-1]) + 1
            start = int(self.ends[first - 1]) if first else 0
            ends, data = self.ends[first:stop] - start, self.data[start : int(self.ends[stop - 1])]
            return Joined(data, ends, self.nulls[first:stop])
        out, ends = np.empty(int(self.sizes[rows].sum()), np.uint8), np.empty(n, np.int64)
        if not pick_kernel(self.data, self.ends, rows, out, ends):
            raise Fatal(
                what=f"one of {n:,} joined strings is not there",
                where="Joined.rows",
                do="report this: nothing was written past the end",
            )
        return Joined(out, ends, self.nulls[rows])

    def but(self, is_null: NDArray[np.bool_]) -> "Joined":
        """None in place of the items where `is_null`, bool[n], is True."""
        return Joined(self.data, self.ends, self.nulls | is_null.view(np.uint8))
