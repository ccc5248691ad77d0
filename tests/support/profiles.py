"""A profiled entity with features of each kind and span, for tests and fuzzing."""

from riskstream.domain.risk.features.declare import Aggregate, Entity, Feature

TILE = 100
SHOP = Entity(name="shop", key="terminal_id", tile_ms=TILE)
KINDS = (Aggregate.COUNT, Aggregate.SUM, Aggregate.MEAN, Aggregate.FRAUDS, Aggregate.FRAUD_RATE)
SPANS = ((0, 300), (200, 300), (200, 1000), (500, 5000))
FEATURES = tuple(
    Feature(
        name=f"{kind.name}_{delay}_{window}",
        entity=SHOP,
        aggregate=kind,
        window_ms=window,
        delay_ms=delay,
        default=-1.0,
        reason="R",
    )
    for delay, window in SPANS
    for kind in KINDS
)
