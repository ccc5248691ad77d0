"""The paths of a tree model's leaves as flat arrays, and the exact contributions of features to a
row's margin.
"""

import io
import zipfile
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.shap_kernel import LONGEST, shap_kernel
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

    def contributions(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64[n, columns] of rows float32[n, columns]: their sum and `base` are the margin
        (log-odds) of each row.
        """
        out = np.zeros(rows.shape, np.float64)
        lengths = np.diff(self.ends, prepend=np.int32(0))
        if not shap_kernel(
            rows,
            self.ends,
            self.values,
            self.features,
            self.lows,
            self.highs,
            self.takes_nan,
            self.weights,
            *_points((int(lengths.max(initial=1)) + 1) // 2),
            out,
        ):
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
        np.savez_compressed(out, **{each.name: getattr(self, each.name) for each in fields(self)})
        return out.getvalue()

    @classmethod
    def read(cls, path: Path, columns: int) -> "TreePaths":
        """From a file of `packed`, for a model of so many columns. Raises OSError, KeyError or
        ValueError where it is not one.
        """
        try:
            with np.load(path) as file:
                held = {each.name: file[each.name] for each in fields(cls)}
        except zipfile.BadZipFile as error:
            raise ValueError(str(error)) from error
        paths = cls(**{**held, "base": float(held["base"])})
        entries = len(paths.features)
        sizes = {len(each) for each in (paths.lows, paths.highs, paths.takes_nan, paths.weights)}
        lengths = np.diff(paths.ends, prepend=np.int32(0))
        is_whole = (
            sizes == {entries}
            and len(paths.ends) == len(paths.values)
            and int(lengths.sum()) == entries
        )
        if not is_whole or (lengths < 1).any() or (lengths > LONGEST).any():
            raise ValueError("the arrays do not fit each other")
        if entries and not 0 <= paths.features.min() <= paths.features.max() < columns:
            raise ValueError(f"a path asks for a column that is not one of {columns}")
        return paths


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


@cache
def _points(most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre points and weights on (0, 1): row n has those of n points."""
    points, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for count in range(1, most + 1):
        at, weight = np.polynomial.legendre.leggauss(count)
        points[count, :count], weights[count, :count] = (at + 1) / 2, weight / 2
    return points, weights
