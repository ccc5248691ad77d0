"""What computes a model's trees: the kernel where it equals ONNX Runtime to the bit, else ONNX
Runtime itself.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.trees.ensemble import Unfit
from riskstream.domain.risk.trees.packed import PackedTrees, pack
from riskstream.domain.risk.trees.probes import probe_rows
from riskstream.platform.adapters.onnx_session import OnnxSession
from riskstream.platform.adapters.onnx_trees import read_trees

TreeEngine = Literal["auto", "onnxruntime"]
"""What may compute the trees: the kernel where it can, or ONNX Runtime alone."""
SIZES = (1, 3, 4, 16, 300)
"""Batches in which rows are compared, besides all at once: both kernels, and the ends of blocks."""
_BATCHES = 20
_MOST_ROWS, _MOST_STEPS = 12_000, 3_000_000
"""Half of the rows that are compared; rows times trees of that half, so that it takes a tenth of a
second.
"""


def equal_kernel(raw: bytes, session: OnnxSession, columns: int) -> PackedTrees:
    """The trees of the file that the session runs, compared with it. Unfit where the kernel cannot
    compute them, or gives another score for any of the rows that try them.
    """
    try:
        trees = read_trees(raw, session.input, session.output)
        packed = pack(trees, columns)
    except (IndexError, ValueError) as error:  # of a file that is odd in a way nobody thought of
        raise Unfit(f"its trees cannot be packed: {error}") from error
    rng = np.random.default_rng(len(trees.modes))
    rows = probe_rows(trees, columns, rng, min(_MOST_ROWS, _MOST_STEPS // len(trees.roots)))
    rows = rows[rng.permutation(len(rows))]
    _compare(packed, session, rows)
    for size in SIZES:
        for start in range(0, min(_BATCHES * size, len(rows)), size):
            _compare(packed, session, rows[start : start + size])
    return packed


def _compare(packed: PackedTrees, session: OnnxSession, rows: NDArray[np.float32]) -> None:
    found, expected = packed.predict(rows), session.predict(rows)
    odd = int((found.view(np.uint32) != expected.view(np.uint32)).sum())
    if odd:
        raise Unfit(f"{odd} of {len(rows)} scores differ from ONNX Runtime's")
