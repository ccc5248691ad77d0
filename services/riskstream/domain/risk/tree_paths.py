"""The paths of a tree model's leaves as flat arrays, and the exact contributions of features to a
row's margin.
"""

import io
import zipfile
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.shap_kernel import LONGEST, POINTS, shap_kernel
from riskstream.runtime.errors import Fatal


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePaths:
    """Leaf l adds values[l] where a row follows the path entries ends[l-1]..ends[l]; see
    shap_kernel. `base` is the mean margin.
    """

    base: float
    ends: NDArray[np.int32]
    values: NDArray[np.float64]
    features: NDArray[np.int32]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    takes_nan: NDArray[np.uint8]
    weights: NDArray[np.float64]
    _tables: tuple[NDArray[np.float64], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tables", _tables_of(self) if self.is_whole else ())

    @property
    def is_whole(self) -> bool:
        """Whether the arrays fit each other, and no path is empty or too long."""
        entries, lengths = len(self.features), self._lengths
        sizes = {len(each) for each in (self.lows, self.highs, self.takes_nan, self.weights)}
        return (
            sizes == {entries}
            and len(self.ends) == len(self.values)
            and int(lengths.sum()) == entries
            and bool(((lengths >= 1) & (lengths <= LONGEST)).all())
        )

    @property
    def _lengths(self) -> NDArray[np.int32]:
        return np.diff(self.ends, prepend=np.int32(0))

    def contributions(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[n, columns] of rows float32[n, columns]: their sum and `base` are the margin
        (log-odds) of each row.
        """
        out = np.zeros(rows.shape, np.float64)
        entries = (self.ends, self.features, self.lows, self.highs, self.takes_nan)
        if not self._tables or not shap_kernel(rows, *entries, *self._tables, out):
            raise Fatal(
                what=f"a path tests more than {LONGEST} features, or a column that rows of "
                f"{rows.shape[1]} have not",
                where="TreePaths.contributions",
                do="train or pack the model again for this feature set",
            )
        return out

    def packed(self) -> bytes:
        """As an .npz file; the same paths give the same bytes."""
        out = io.BytesIO()
        np.savez_compressed(out, **{name: getattr(self, name) for name in _names()})
        return out.getvalue()

    @classmethod
    def read(cls, path: Path, columns: int) -> "TreePaths":
        """From a file of `packed`, for a model of so many columns. Raises OSError, KeyError or
        ValueError where it is not one.
        """
        try:
            with np.load(path) as file:
                held = {name: file[name] for name in _names()}
        except zipfile.BadZipFile as error:
            raise ValueError(str(error)) from error
        paths = cls(**{**held, "base": float(held["base"])})
        if not paths.is_whole:
            raise ValueError("the arrays do not fit each other")
        if len(paths.features) and not 0 <= paths.features.min() <= paths.features.max() < columns:
            raise ValueError(f"a path asks for a column that is not one of {columns}")
        return paths


def _names() -> list[str]:
    """The arrays that a file has."""
    return [each.name for each in fields(TreePaths) if each.init]


def _tables_of(paths: TreePaths) -> tuple[NDArray[np.float64], ...]:
    """`points`, `stays`, `values`, `shares` and `turns` of shap_kernel. Points that fill up a row
    have the weight 0.
    """
    lengths = np.diff(paths.ends, prepend=np.int32(0))
    many = (lengths + 1) // 2
    points, weights = _points(-(-int(many.max(initial=1)) // POINTS) * POINTS)
    groups = -(-many // POINTS)
    # the rows of POINTS points: of which leaf, and the how manieth of it
    leaf = np.repeat(np.arange(len(many)), groups)
    group = _within(groups)
    at = group[:, None] * POINTS + np.arange(POINTS)
    # the same of each entry of those leaves
    row = np.repeat(np.arange(len(leaf)), lengths[leaf])
    entry = (paths.ends - lengths)[leaf[row]] + _within(lengths[leaf])
    t = points[many[leaf][:, None], at][row]
    w = paths.weights[entry][:, None]
    return (
        points,
        -1 / (1 - points),
        np.ascontiguousarray(paths.values[leaf][:, None] * weights[many[leaf][:, None], at]),
        w * (1 - t),
        (1 - w) / (w + (1 - w) * t) + 1 / (1 - t),
    )


def _within(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    """0 to count - 1 of each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


@cache
def _points(most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre points and weights on (0, 1): row n has those of n points, then zeros."""
    points, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for count in range(1, most + 1):
        at, weight = np.polynomial.legendre.leggauss(count)
        points[count, :count], weights[count, :count] = (at + 1) / 2, weight / 2
    return points, weights


NO_TREES = TreePaths(
    base=0.0,
    ends=np.zeros(0, np.int32),
    values=np.zeros(0),
    features=np.zeros(0, np.int32),
    lows=np.zeros(0),
    highs=np.zeros(0),
    takes_nan=np.zeros(0, np.uint8),
    weights=np.zeros(0),
)
"""Explains nothing."""
