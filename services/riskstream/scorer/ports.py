"""What the scorer's core needs from outside."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Model(Protocol):
    """Probability of fraud, float32[n], of rows float32[n, columns]."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]: ...
