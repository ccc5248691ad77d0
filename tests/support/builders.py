"""Builders: a valid record; a test states only what matters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.partition import misplaced_kernel
from tests.support.counted import Counted

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


def counted(said: Mapping[str, Any], appended_at: int = NOW_MS, *, offset: int = 0) -> Counted:
    """What states and totals take of a score."""
    return Counted(
        offset=offset,
        appended_at=appended_at,
        src=said["src"],
        prev=said["prev"],
        src_appended_at=said["src_appended_at"],
        is_good=said["verdict"] == "GOOD",
        customer_id=said["customer_id"],
        occurred_at=said["occurred_at"],
        base_amount_minor=said["base_amount_minor"],
        base_currency=said["base_currency"],
        score=said["score"],
        decision=said["decision"],
        is_refund=said["kind"] == "REFUND",
        corrected_at=said.get("corrected_at"),
        corrected_amount_minor=said.get("corrected_amount_minor") or 0,
        corrected_is_refund=bool(said.get("corrected_is_refund")),
    )


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


def alert(**changes: Any) -> dict[str, Any]:
    """A valid alert record, with some fields changed."""
    src = changes.get("src", 0)
    return {
        "alert_id": f"transactions.v1-0-{src}",
        "kind": "score",
        "transaction_id": f"t-{src}",
        "customer_id": "c-1",
        "score": 0.5,
        "decision": "REVIEW",
        "told": None,
        "reasons": (),
        "base_amount_minor": 100,
        "base_currency": "EUR",
        "occurred_at": NOW_MS,
        "src_partition": 0,
        "src": src,
        "model_version": "m-1",
        "raised_at": NOW_MS,
    } | changes
