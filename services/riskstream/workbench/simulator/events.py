"""What happens in the simulation: everyday transactions, their honest oddities, and six kinds of
attack.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from riskstream.runtime.durations import DAY_S, HOUR_S
from riskstream.workbench.simulator.population import (
    ATM,
    CASH,
    ECOM,
    MCCS,
    MOBILE,
    POS,
    PURCHASE,
    REFUND,
    TRANSFER,
    Population,
)

ATTACKS = (
    "",
    "card_testing",
    "account_takeover",
    "stolen_card_spree",
    "phished_terminal",
    "under_limit",
    "dormant_account",
)
TESTING, TAKEOVER, SPREE, PHISHED, UNDER_LIMIT, DORMANT = range(1, 7)
ATTACKS_PER_CUSTOMER_DAY = {
    TESTING: 9e-5,
    TAKEOVER: 5.5e-4,
    SPREE: 3.6e-4,
    UNDER_LIMIT: 3.4e-4,
    DORMANT: 2.5e-4,
}
PHISHED_TERMINALS_PER_DAY_SHARE = 0.0003
LIMIT = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Columns of n events, not sorted. `at_s`: seconds since the start; `own_device` false where it
    is a stranger's.
    """

    customer: NDArray[np.int64]
    at_s: NDArray[np.float64]
    amount: NDArray[np.float64]
    kind: NDArray[np.int64]
    channel: NDArray[np.int64]
    terminal: NDArray[np.int64]
    mcc: NDArray[np.int64]
    is_abroad: NDArray[np.bool_]
    own_device: NDArray[np.bool_]
    attack: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Events":
        return Events(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def concatenate(parts: list[Events]) -> Events:
    """One Events of all."""
    return Events(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Events)
        }
    )


def everyday(rng: np.random.Generator, people: Population, days: int) -> Events:
    """Poisson days, habits by hour, log-normal amounts; bursts, large purchases, travel and refunds
    that are honest.
    """
    counts = rng.poisson(np.repeat(people.rate[:, None], days, axis=1))
    awake = np.arange(days)[None, :] < people.sleeps_from_day[:, None]
    cells = np.flatnonzero(counts * awake)
    per_cell = counts.reshape(-1)[cells]
    customer = np.repeat(cells // days, per_cell)
    day = np.repeat(cells % days, per_cell)
    # an honest shopping tour: a few more within the hour
    burst_cells = rng.random(len(cells)) < 0.012
    extra = np.where(burst_cells, rng.integers(2, 7, len(cells)), 0)
    tour_customer, tour_day = np.repeat(cells // days, extra), np.repeat(cells % days, extra)
    tour_hour = np.repeat(rng.normal(14, 3, len(cells)), extra)
    hour = rng.normal(people.hour[customer], people.hour_spread[customer])
    at_s = np.concatenate(
        [(day * 24 + hour % 24) * HOUR_S, (tour_day * 24 + tour_hour % 24) * HOUR_S]
    )
    customer = np.concatenate([customer, tour_customer])
    n = len(customer)
    at_s += np.where(np.arange(n) >= len(day), rng.uniform(0, 4500, n), 0.0)
    large = rng.random(n) < 0.02
    factor = np.where(large, rng.uniform(3, 12, n), 1.0)
    bare = _Bare(customer=customer, at_s=at_s, amount=_own_amount(rng, people, customer) * factor)
    return _dress(rng, people, bare, strange=0.04, abroad=0.05)


def attacks(rng: np.random.Generator, people: Population, normal: Events, days: int) -> Events:
    """Transactions of all six kinds of attack, on random customers; the phished ones change
    everyday ones in place.
    """
    parts = []
    for kind, per_day in ATTACKS_PER_CUSTOMER_DAY.items():
        cases = rng.poisson(per_day * people.customers * days)
        if kind == DORMANT:
            asleep = np.flatnonzero(people.sleeps_from_day + 15 < days)
            victims = rng.choice(asleep, cases) if len(asleep) else np.zeros(0, np.int64)
            begin = (
                rng.uniform(people.sleeps_from_day[victims] + 12, days - 0.5)
                if len(victims)
                else np.zeros(0)
            )
        else:
            victims = rng.integers(0, people.customers, cases)
            begin = rng.uniform(0, days - 0.5, cases)
        if len(victims):
            parts.append(_attack(rng, people, kind, victims, begin * DAY_S))
    everyone = concatenate(parts) if parts else normal.take(np.zeros(0, np.int64))
    return everyone.take(everyone.at_s < days * DAY_S)


def phished(
    rng: np.random.Generator, people: Population, normal: Events, days: int
) -> NDArray[np.bool_]:
    """Which everyday transactions were made at a terminal while it was phished (14 days from a
    random day on).
    """
    m = len(people.terminal_mcc)
    cases = max(rng.poisson(PHISHED_TERMINALS_PER_DAY_SHARE * m * days), 1)
    from_s = np.full(m, np.inf)
    from_s[rng.integers(0, m, cases)] = rng.uniform(0, days, cases) * DAY_S
    age = normal.at_s - from_s[normal.terminal]
    hit = (age >= 0) & (age < 14 * DAY_S) & (normal.channel == POS) & (normal.kind == PURCHASE)
    return np.asarray(hit & (rng.random(len(normal)) < 0.5))


def _attack(
    rng: np.random.Generator,
    people: Population,
    kind: int,
    victims: NDArray[np.int64],
    begin_s: NDArray[np.float64],
) -> Events:
    low, high, span_s = {
        TESTING: (8, 26, 1500.0),
        TAKEOVER: (2, 6, 7200.0),
        SPREE: (5, 13, 9000.0),
        UNDER_LIMIT: (3, 8, 2.2 * DAY_S),
        DORMANT: (2, 6, 1.5 * DAY_S),
    }[kind]
    sizes = rng.integers(low, high, len(victims))
    customer = np.repeat(victims, sizes)
    at_s = np.repeat(begin_s, sizes) + rng.uniform(0, span_s, len(customer))
    own = _own_amount(rng, people, customer)
    n = len(customer)
    amount = {
        TESTING: rng.uniform(0.5, 4.0, n),
        TAKEOVER: own * rng.uniform(2.0, 9.0, n),
        SPREE: own * rng.uniform(0.8, 3.5, n),
        UNDER_LIMIT: LIMIT - rng.uniform(1, 40, n),
        DORMANT: own * rng.uniform(1.5, 6.0, n),
    }[kind]
    bare = _Bare(customer=customer, at_s=at_s, amount=amount, attack=kind)
    return _dress(rng, people, bare, strange=0.6, abroad=0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bare:
    """Events of one kind of attack, 0 for none, of which customer, time and amount are known."""

    customer: NDArray[np.int64]
    at_s: NDArray[np.float64]
    amount: NDArray[np.float64]
    attack: int = 0


def _dress(
    rng: np.random.Generator, people: Population, bare: _Bare, *, strange: float, abroad: float
) -> Events:
    """Channel, kind, terminal, device and place of events; `strange` and `abroad`: shares of
    foreign devices and places.
    """
    customer, attack, n = bare.customer, bare.attack, len(bare.customer)
    ecom_share = (
        people.ecom_share[customer]
        if attack == 0
        else np.full(n, 0.75 if attack == TESTING else 0.42)
    )
    u = rng.random(n)
    channel = np.where(
        u < ecom_share, ECOM, np.where(u < ecom_share + (1 - ecom_share) * 0.86, POS, ATM)
    )
    channel = np.where((channel == ECOM) & (rng.random(n) < 0.3), MOBILE, channel)
    kind = np.where(channel == ATM, CASH, PURCHASE)
    transfers = (channel == MOBILE) & (rng.random(n) < 0.5)
    kind = np.where(transfers, TRANSFER, kind)
    if attack == 0:
        kind = np.where((kind == PURCHASE) & (rng.random(n) < 0.012), REFUND, kind)
    if attack == UNDER_LIMIT:
        channel = np.where(rng.random(n) < 0.5, ATM, MOBILE)
        kind = np.where(channel == ATM, CASH, TRANSFER)
    terminal = people.terminals[customer, rng.integers(0, people.terminals.shape[1], n)]
    own_mcc = people.mccs[customer, rng.integers(0, people.mccs.shape[1], n)]
    mcc_index = np.where(channel == POS, people.terminal_mcc[terminal], own_mcc)
    return Events(
        customer=customer,
        at_s=bare.at_s,
        amount=np.maximum(bare.amount, 0.3),
        kind=kind,
        channel=channel,
        terminal=terminal,
        mcc=np.array(MCCS)[mcc_index],
        is_abroad=rng.random(n) < abroad,
        own_device=rng.random(n) >= strange,
        attack=np.full(n, attack),
    )


def _own_amount(
    rng: np.random.Generator, people: Population, customer: NDArray[np.int64]
) -> NDArray[np.float64]:
    """An amount as the customer would spend it: log-normal with the customer's mean."""
    spread = people.amount_spread[customer]
    drawn: NDArray[np.float64] = people.amount_mean[customer] * np.exp(
        rng.normal(-(spread**2) / 2, spread)
    )
    return drawn
