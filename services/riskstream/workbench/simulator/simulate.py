"""One simulation as an Arrow table in the contract's columns, sorted by time, with its truth
beside.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.simulator.events import (
    ATTACKS,
    PHISHED,
    attacks,
    concatenate,
    everyday,
    phished,
)
from riskstream.workbench.simulator.population import COUNTRIES, TRANSFER, populate

CHANNELS = ("UNKNOWN", "POS", "ECOM", "ATM", "MOBILE", "BRANCH")
KINDS = ("UNKNOWN", "PURCHASE", "REFUND", "CASH", "TRANSFER")
START_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z, the default start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What to simulate. The same values give the same table."""

    seed: int
    customers: int
    days: int
    start_ms: int = START_MS
    currency: str = "EUR"


def simulate(wanted: Simulation) -> pa.Table:
    """Table of the contract's columns (instants in ms) and `is_fraud`, `attack`,
    `label_known_at`.
    """
    rng = np.random.default_rng(wanted.seed)
    people = populate(rng, wanted.customers, wanted.days)
    normal = everyday(rng, people, wanted.days)
    normal.attack[phished(rng, people, normal, wanted.days)] = PHISHED
    events = concatenate([normal, attacks(rng, people, normal, wanted.days)])
    events = events.take(np.argsort(events.at_s, kind="stable"))
    n = len(events)
    occurred = wanted.start_ms + (events.at_s * 1000).astype(np.int64)
    amount_minor = np.maximum((events.amount * 100).round().astype(np.int64), 1)
    is_transfer = events.kind == TRANSFER
    is_fraud = events.attack > 0
    country = np.where(
        events.is_abroad, rng.integers(0, len(COUNTRIES), n), people.home[events.customer]
    )
    stranger = rng.integers(10**6, 10**7, n)
    device = np.where(events.own_device, events.customer, stranger)
    customer = _named("c", events.customer, people.customers)
    terminal = _named("term-", events.terminal, len(people.terminal_mcc))
    id_prefix = f"t{wanted.seed}-"
    return pa.table(
        {
            "transaction_id": _joined(id_prefix, np.arange(n)),
            "customer_id": customer,
            "account_token": _named("tok-", events.customer, people.customers),
            "terminal_id": _nulled(terminal, is_transfer),
            "merchant_id": _nulled(
                _named("m-", events.terminal, len(people.terminal_mcc)), is_transfer
            ),
            "mcc": pa.array(events.mcc, pa.int32(), mask=is_transfer),
            "country": pa.DictionaryArray.from_arrays(
                country.astype(np.int32), list(COUNTRIES)
            ).cast(pa.string()),
            "channel": pa.DictionaryArray.from_arrays(
                events.channel.astype(np.int32), list(CHANNELS)
            ).cast(pa.string()),
            "kind": pa.DictionaryArray.from_arrays(events.kind.astype(np.int32), list(KINDS)).cast(
                pa.string()
            ),
            "amount_minor": amount_minor,
            "currency": _constant(wanted.currency, n),
            "base_amount_minor": amount_minor,
            "base_currency": _constant(wanted.currency, n),
            "rates_version": _constant("", n),
            "device_id": _joined("d", device),
            "counterparty_id": _nulled(_joined("x", stranger % 50_000), ~is_transfer),
            "occurred_at": occurred,
            "corrects": pa.nulls(n, pa.string()),
            "is_fraud": is_fraud,
            "attack": pa.DictionaryArray.from_arrays(
                events.attack.astype(np.int32), list(ATTACKS)
            ).cast(pa.string()),
            "label_known_at": occurred + _label_delay_ms(rng, is_fraud),
        }
    )


def _label_delay_ms(rng: np.random.Generator, is_fraud: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Fraud is reported after a day and an exponential wait of 9 days, 120 days at most; the rest
    stands after 30.
    """
    days = np.where(is_fraud, np.minimum(1 + rng.exponential(9, len(is_fraud)), 120), 30)
    return (days * DAY_MS).astype(np.int64)


def _named(prefix: str, index: NDArray[np.int64], count: int) -> pa.Array:
    names = [f"{prefix}{number:06d}" for number in range(count)]
    return pa.DictionaryArray.from_arrays(index.astype(np.int32), names).cast(pa.string())


def _joined(prefix: str, numbers: NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _constant(text: str, n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [text]).cast(pa.string())


def _nulled(array: pa.Array, mask: NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(mask), pa.scalar(None, pa.string()), array)
