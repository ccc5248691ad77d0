"""What the scorer's core needs from outside."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Model(Protocol):
    """Probability of fraud, float32[n], of rows float32[n, columns]."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]: ...


class SecondModel(Model, Protocol):
    """As Model; `is_degraded` once it runs on the CPU in place of the device it was given."""

    @property
    def is_degraded(self) -> bool: ...
