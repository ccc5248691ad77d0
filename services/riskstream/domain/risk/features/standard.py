"""The feature set `standard`: what is known of a customer from its own transactions. Add a feature
here.

`standard-profiles` adds what is known of the terminal and the device from everybody's transactions
and labels. `standard-tiles` is the same as `standard` in tiles: less memory a key, windows whose
left edge is quantised to a tile. Version 2 counts SPENDING; version 1, which counts refunds as
payments, is kept for models that were trained on it.
"""

from dataclasses import replace

from riskstream.domain.risk.features.declare import (
    CUSTOMER,
    DEVICE,
    EVERY_KIND,
    SPENDING,
    TERMINAL,
    Aggregate,
    Entity,
    Feature,
    FeatureSet,
    Input,
    InputFeature,
)
from riskstream.runtime.durations import DAY_MS, HOUR_MS, MINUTE_MS

_WINDOWS = {
    "10m": 10 * MINUTE_MS,
    "1h": HOUR_MS,
    "1d": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
_REASONS = {
    "10m": "BURST",
    "1h": "BURST",
    "1d": "BUSY_DAY",
    "7d": "BUSY_WEEK",
    "30d": "UNUSUAL_MONTH",
}


def _windowed(kind: Aggregate, prefix: str, suffix: str) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            name=f"customer_{prefix}_{name}",
            entity=CUSTOMER,
            aggregate=kind,
            window_ms=window_ms,
            reason=f"{_REASONS[name]}_{suffix}",
            kinds=SPENDING,
        )
        for name, window_ms in _WINDOWS.items()
    )


STANDARD = FeatureSet(
    name="standard",
    version=2,
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
            kinds=SPENDING,
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


def _profiled(
    entity: Entity, kind: Aggregate, days: tuple[int, ...], reason: str
) -> tuple[Feature, ...]:
    default = 0.0 if kind is Aggregate.FRAUD_RATE else float("nan")
    name = kind.name.lower()
    return tuple(
        Feature(
            name=f"{entity.name}_{name}_{n}d",
            entity=entity,
            aggregate=kind,
            window_ms=n * DAY_MS,
            default=default,
            reason=reason,
            kinds=SPENDING,
        )
        for n in days
    )


STANDARD_PROFILES = replace(
    STANDARD,
    name="standard-profiles",
    features=(
        *STANDARD.features,
        *_profiled(TERMINAL, Aggregate.COUNT, (1, 7, 30), "TERMINAL_COUNT"),
        *_profiled(TERMINAL, Aggregate.MEAN, (7,), "TERMINAL_AMOUNT"),
        *_profiled(TERMINAL, Aggregate.FRAUD_RATE, (7, 30), "TERMINAL_RISK"),
        *_profiled(DEVICE, Aggregate.COUNT, (1, 30), "DEVICE_COUNT"),
        *_profiled(DEVICE, Aggregate.FRAUD_RATE, (30,), "DEVICE_RISK"),
    ),
)


def first_version(features: FeatureSet) -> FeatureSet:
    """Version 1 of a set: every kind counts."""
    return replace(
        features,
        version=1,
        features=tuple(replace(each, kinds=EVERY_KIND) for each in features.features),
    )
