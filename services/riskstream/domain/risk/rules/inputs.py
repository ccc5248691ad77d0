"""Names that a rule may say and no record holds: `hour` and `weekday`, and the inputs of a feature
set. Each is computed from one field of the transaction, wherever a rule is evaluated.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet, Input
from riskstream.runtime.durations import DAY_MS, HOUR_MS

ALWAYS = {"hour": Input.HOUR, "weekday": Input.WEEKDAY}
"""Those that every feature set has: the hour from 0 to 23 and the day from 0 (Monday) to 6, UTC."""

MOST = {Input.HOUR: 23, Input.WEEKDAY: 6}
"""The largest value of inputs that are whole numbers from 0 on."""

FIELD_OF = {
    Input.AMOUNT: "base_amount_minor",
    Input.HOUR: "occurred_at",
    Input.WEEKDAY: "occurred_at",
    Input.KIND: "kind",
    Input.CHANNEL: "channel",
    Input.MCC: "mcc",
    Input.WEEKEND: "occurred_at",
    Input.NIGHT: "occurred_at",
}
"""The field that each input is computed from."""


def inputs_of(features: FeatureSet, taken: Collection[str]) -> dict[str, Input]:
    """By name what is computed, without the names that are `taken`: those of fields."""
    mine = {each.name: each.input for each in features.inputs}
    return {name: which for name, which in {**ALWAYS, **mine}.items() if name not in taken}


def computed(which: Input, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The input of each value of its field, as `input_kernel` computes it."""
    if FIELD_OF[which] != "occurred_at":
        return values
    at_ms = values.astype(np.int64)
    hour, day = at_ms // HOUR_MS % 24, (at_ms // DAY_MS + 3) % 7
    found: dict[Input, NDArray[Any]] = {
        Input.HOUR: hour,
        Input.WEEKDAY: day,
        Input.WEEKEND: day >= 5,
        Input.NIGHT: hour <= 6,
    }
    return found[which].astype(np.float64)
