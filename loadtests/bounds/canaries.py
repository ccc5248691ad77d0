"""Canaries: while they are on, each array that numpy makes has a known pattern behind it, which
nobody may change.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

_BEHIND = 256
"""Bytes of pattern behind each array."""
_PATTERN = np.tile(np.array([0xC5, 0x3A], np.uint8), _BEHIND // 2)


class Canaries:
    """Every array made under `watching`; `broken` tells how many of them were written past their
    end.
    """

    def __init__(self) -> None:
        self._arrays: list[tuple[Any, int]] = []
        self.watched = 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """np.zeros, np.empty and np.full give arrays with a canary until the block ends."""
        full, empty = np.full, np.empty

        def with_canary(shape: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
            kind = np.dtype(dtype or np.float64)
            dimensions = tuple(int(each) for each in np.atleast_1d(shape))
            if kind.hasobject or order != "C":
                return empty(dimensions, kind, order)
            size = math.prod(dimensions) * kind.itemsize
            raw = empty(size + _BEHIND, np.uint8)
            raw[:size] = 0
            raw[size:] = _PATTERN
            self._arrays.append((raw, size))
            self.watched += 1
            return raw[:size].view(kind).reshape(dimensions)

        def filled(shape: Any, value: Any, dtype: Any = None, **_: Any) -> Any:
            array = with_canary(shape, dtype or full((), value).dtype)
            array[...] = value
            return array

        with (
            mock.patch.object(np, "zeros", with_canary),
            mock.patch.object(np, "empty", with_canary),
            mock.patch.object(np, "full", filled),
        ):
            yield

    def broken(self) -> int:
        """How many arrays made so far have a changed canary; they are forgotten then."""
        count = sum(not np.array_equal(raw[size:], _PATTERN) for raw, size in self._arrays)
        self._arrays.clear()
        return count
