"""The feature sets of the public book "Reproducible Machine Learning for Credit Card Fraud
Detection" (Le Borgne et al., 2022).

`handbook` is the transaction's amount and the book's 14 columns, in its order and by its
definitions (chapter 3); amounts here are minor units. `handbook-added` has a few more of the same
kind.
"""

from riskstream.domain.risk.features.declare import (
    CARD,
    CUSTOMER,
    TERMINAL,
    Aggregate,
    Entity,
    Feature,
    FeatureSet,
    Input,
    InputFeature,
)
from riskstream.runtime.durations import DAY_MS

LABEL_DELAY_MS = 7 * DAY_MS
"""After how long the book takes the label of a transaction to be known."""


def _over_days(
    entity: Entity, kind: Aggregate, days: tuple[int, ...], name: str, reason: str
) -> tuple[Feature, ...]:
    delay = 0 if entity.is_owned else LABEL_DELAY_MS
    default = 0.0 if kind is Aggregate.FRAUD_RATE else float("nan")
    return tuple(
        Feature(
            name=name.format(n),
            entity=entity,
            aggregate=kind,
            window_ms=n * DAY_MS,
            delay_ms=delay,
            default=default,
            reason=reason,
        )
        for n in days
    )


_COUNTS = _over_days(
    CUSTOMER, Aggregate.COUNT, (1, 7, 30), "CUSTOMER_ID_NB_TX_{}DAY_WINDOW", "CUSTOMER_COUNT"
)
_MEANS = _over_days(
    CUSTOMER, Aggregate.MEAN, (1, 7, 30), "CUSTOMER_ID_AVG_AMOUNT_{}DAY_WINDOW", "CUSTOMER_AMOUNT"
)
_VISITS = _over_days(
    TERMINAL, Aggregate.COUNT, (1, 7, 30), "TERMINAL_ID_NB_TX_{}DAY_WINDOW", "TERMINAL_COUNT"
)
_RISKS = _over_days(
    TERMINAL, Aggregate.FRAUD_RATE, (1, 7, 30), "TERMINAL_ID_RISK_{}DAY_WINDOW", "TERMINAL_RISK"
)

HANDBOOK = FeatureSet(
    name="handbook",
    version=1,
    inputs=(
        InputFeature(name="TX_AMOUNT", input=Input.AMOUNT, reason="AMOUNT"),
        InputFeature(name="TX_DURING_WEEKEND", input=Input.WEEKEND, reason="TIME_OF_WEEK"),
        InputFeature(name="TX_DURING_NIGHT", input=Input.NIGHT, reason="TIME_OF_DAY"),
    ),
    features=(*_COUNTS, *_MEANS, *_VISITS, *_RISKS),
)

HANDBOOK_ADDED = FeatureSet(
    name="handbook-added",
    version=1,
    inputs=HANDBOOK.inputs,
    features=(
        *_COUNTS,
        *_MEANS,
        Feature(
            name="CUSTOMER_ID_AMOUNT_OVER_MEAN_30DAY_WINDOW",
            entity=CUSTOMER,
            aggregate=Aggregate.OVER_MEAN,
            window_ms=30 * DAY_MS,
            reason="AMOUNT_OVER_OWN_MEAN",
        ),
        *_VISITS,
        *_RISKS,
        *_over_days(
            TERMINAL,
            Aggregate.FRAUD_RATE,
            (3, 14, 21),
            "TERMINAL_ID_RISK_{}DAY_WINDOW",
            "TERMINAL_RISK",
        ),
        *_over_days(
            CARD, Aggregate.FRAUDS, (14,), "CUSTOMER_ID_FRAUDS_{}DAY_WINDOW", "CUSTOMER_FRAUDS"
        ),
    ),
)
