"""The feature set `standard`: what is known of a customer from its own transactions. Add a feature here.

`standard-tiles` is the same in tiles: less memory a key, windows whose left edge is quantised to a tile.
"""

from dataclasses import replace

from riskstream.risk.features.declare import (
    CUSTOMER,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Aggregate,
    Feature,
    FeatureSet,
    Input,
    InputFeature,
)

_WINDOWS = {"10m": 10 * MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
_REASONS = {"10m": "BURST", "1h": "BURST", "1d": "BUSY_DAY", "7d": "BUSY_WEEK", "30d": "UNUSUAL_MONTH"}


def _windowed(kind: Aggregate, prefix: str, suffix: str) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            name=f"customer_{prefix}_{name}",
            entity=CUSTOMER,
            aggregate=kind,
            window_ms=window_ms,
            reason=f"{_REASONS[name]}_{suffix}",
        )
        for name, window_ms in _WINDOWS.items()
    )


STANDARD = FeatureSet(
    name="standard",
    version=1,
    inputs=(
        InputFeature(name="amount", input=Input.AMOUNT, reason="AMOUNT"),
        InputFeature(name="hour", input=Input.HOUR, reason="TIME_OF_DAY"),
        InputFeature(name="weekday", input=Input.WEEKDAY, reason="TIME_OF_WEEK"),
        InputFeature(name="kind", input=Input.KIND, reason="KIND"),
        InputFeature(name="channel", input=Input.CHANNEL, reason="CHANNEL"),
        InputFeature(name="mcc", input=Input.MCC, reason="MERCHANT_CATEGORY"),
    ),
    features=(
        *_windowed(Aggregate.COUNT, "count", "COUNT"),
        *_windowed(Aggregate.SUM, "sum", "AMOUNT"),
        *_windowed(Aggregate.MEAN, "mean", "AMOUNT"),
        Feature(
            name="customer_amount_over_mean_30d",
            entity=CUSTOMER,
            aggregate=Aggregate.OVER_MEAN,
            window_ms=30 * DAY_MS,
            reason="AMOUNT_OVER_OWN_MEAN",
        ),
        Feature(
            name="customer_seconds_since_last",
            entity=CUSTOMER,
            aggregate=Aggregate.SINCE_LAST,
            window_ms=0,
            reason="TIME_SINCE_LAST",
        ),
    ),
)

STANDARD_TILES = replace(
    STANDARD,
    name="standard-tiles",
    tiles_ms=(MINUTE_MS, 10 * MINUTE_MS, 3 * HOUR_MS, DAY_MS, 5 * DAY_MS),
)
