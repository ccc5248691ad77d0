"""Scores a made-up transaction before the scorer is ready, so that the first real one finds
everything compiled and loaded.
"""

from collections.abc import Iterator
from itertools import count, islice

import numpy as np

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.lanes.ports import LIVE, Batch, ReadResult
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy
from riskstream.scorer.ports import Model
from riskstream.scorer.scored import Scored

_ROUNDS = 5
_AT_MS = 1_700_000_000_000
WARM_CURRENCY = "EUR"
_TRANSACTION = {
    "transaction_id": "warm",
    "customer_id": "warm",
    "account_token": "warm",
    "terminal_id": "warm",
    "merchant_id": "warm",
    "mcc": 5411,
    "country": "BE",
    "channel": "POS",
    "kind": "PURCHASE",
    "amount_minor": 1000,
    "currency": WARM_CURRENCY,
    "base_amount_minor": 1000,
    "base_currency": WARM_CURRENCY,
    "rates_version": "",
    "device_id": "warm",
    "counterparty_id": None,
    "occurred_at": _AT_MS,
    "corrects": None,
}


def warm(features: FeatureSet, model: Model, policy: Policy) -> None:
    """On a core of its own: nothing of it is kept, read or written."""
    core = ScorerCore(features, model, policy, 16, WARM_CURRENCY)
    for batch in islice(single_rows(), _ROUNDS):
        score_alone(core, batch)


def score_alone(core: ScorerCore, batch: Batch) -> Scored:
    """Scores of a micro-batch for which nothing is read: nobody knows its customers, and no profile
    answers.
    """
    prepared = core.prepare(batch)
    return core.score(prepared, ReadResult.empty(prepared.rows), None)


def single_rows() -> Iterator[Batch]:
    """Micro-batches of one transaction each, of customers that nobody knows."""
    for at in count():
        name = f"warm-{at}"
        frame = codec("transaction.v1").encode(
            {**_TRANSACTION, "transaction_id": name, "customer_id": name}
        )
        one = np.array([at])
        yield Batch(
            values=[frame],
            keys=[name.encode()],
            partitions=np.zeros(1, np.int32),
            offsets=one,
            prevs=one - 1,
            appended_at=np.array([_AT_MS]),
            modes=np.full(1, LIVE, np.uint8),
            partition_count=1,
        )
