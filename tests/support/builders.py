"""Builders: a valid record; a test states only what matters."""

from typing import Any

import numpy as np

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.partition import misplaced_kernel

NOW_MS = 1_717_236_000_000


def transaction(**changes: Any) -> dict[str, Any]:
    """A valid transaction of the contract."""
    return {
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "account_token": "tok-1",
        "terminal_id": "term-1",
        "merchant_id": "m-1",
        "mcc": 5411,
        "country": "BE",
        "channel": "POS",
        "kind": "PURCHASE",
        "amount_minor": 1000,
        "currency": "EUR",
        "base_amount_minor": 1000,
        "base_currency": "EUR",
        "rates_version": "",
        "device_id": "d-1",
        "counterparty_id": None,
        "occurred_at": NOW_MS,
        "corrects": None,
        **changes,
    }


def request(**changes: Any) -> dict[str, Any]:
    """A valid body of POST /v1/transactions; a value of ... leaves the field out."""
    body = {
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "account_token": "tok-1",
        "channel": "ECOM",
        "kind": "PURCHASE",
        "amount_minor": 1000,
        "currency": "EUR",
        "occurred_at": NOW_MS,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def frame(**changes: Any) -> bytes:
    """A valid frame of transactions.v1."""
    return codec("transaction.v1").encode(transaction(**changes))


def rows(
    tag: str, first: int, count: int, *, customers: int = 40, step_ms: int = 1000
) -> list[tuple[bytes | None, bytes | None]]:
    """Good records `first` to `first + count - 1` of a tag as (key, frame): `customers` take turns,
    time goes on.
    """
    return [
        (
            f"{tag}-{n % customers}".encode(),
            frame(
                customer_id=f"{tag}-{n % customers}",
                transaction_id=f"{tag}-{n}",
                occurred_at=NOW_MS + n * step_ms,
            ),
        )
        for n in range(first, first + count)
    ]


def score(**changes: Any) -> dict[str, Any]:
    """A valid accepted, good score."""
    return {
        "src": 0,
        "prev": -1,
        "src_appended_at": NOW_MS,
        "verdict": "GOOD",
        "reason": None,
        "reject_rules_version": 1,
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "occurred_at": NOW_MS,
        "base_amount_minor": 1000,
        "base_currency": "EUR",
        "score": 0.25,
        "decision": "APPROVE",
        "reasons": [],
        "flags": [],
        "model_version": "m",
        "feature_set": STANDARD.label,
        "features": [],
        "profiles": [],
        "release_id": None,
        "rules_version": None,
        "rules": [],
        "stage2_score": None,
        "kind": "PURCHASE",
        **changes,
    }


def key_of(tag: str, partition: int) -> bytes:
    """A key of the tag that hashes to the partition, of four."""
    for n in range(200):
        key, misplaced = f"{tag}-{n}".encode(), np.zeros(1, np.uint8)
        misplaced_kernel(
            np.frombuffer(key, np.uint8),
            np.array([len(key)]),
            4,
            np.array([partition], np.int32),
            misplaced,
        )
        if not misplaced[0]:
            return key
    raise AssertionError(f"no key for partition {partition}")
