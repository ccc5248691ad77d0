"""One owned partition of a derived lane: where it stands, and what was made of it since the last
commit.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstream.platform.kafka.record import Made
from riskstream.platform.telemetry.span import Hop


@dataclass(slots=True)
class Part:
    position: int
    committed: int
    flushed: int
    flushed_metadata: str
    outputs: list[Made] = field(default_factory=list)
    is_dirty: bool = False
    appended_at: list[NDArray[np.int64]] = field(default_factory=list)
    """When each record taken since the last commit was appended, ms; without those that were
    committed before.
    """
    hops: list[Hop] = field(default_factory=list)
    """Sampled records taken since the last commit."""
