"""Who lives in the simulation: customers, terminals and their habits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COUNTRIES = (
    "BE",
    "NL",
    "FR",
    "DE",
    "LU",
    "GB",
    "ES",
    "IT",
    "PT",
    "AT",
    "IE",
    "DK",
    "SE",
    "PL",
    "CZ",
    "RO",
)
MCCS = (
    5411,
    5812,
    5541,
    5912,
    5311,
    4111,
    5732,
    5651,
    5942,
    7832,
    4121,
    5999,
    7011,
    4511,
    6011,
    5816,
    5941,
    8011,
)
POS, ECOM, ATM, MOBILE = 1, 2, 3, 4
PURCHASE, REFUND, CASH, TRANSFER = 1, 2, 3, 4
TERMINALS_OF_A_CUSTOMER = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Arrays by customer (n) or terminal (m). Rates are transactions a day, amounts are in major
    units.
    """

    rate: NDArray[np.float64]
    amount_mean: NDArray[np.float64]
    amount_spread: NDArray[np.float64]
    hour: NDArray[np.float64]
    hour_spread: NDArray[np.float64]
    home: NDArray[np.int64]
    ecom_share: NDArray[np.float64]
    mccs: NDArray[np.int64]
    terminals: NDArray[np.int64]
    sleeps_from_day: NDArray[np.float64]
    terminal_mcc: NDArray[np.int64]
    terminal_country: NDArray[np.int64]

    @property
    def customers(self) -> int:
        return len(self.rate)


def populate(rng: np.random.Generator, customers: int, days: int) -> Population:
    """A population; 3 % of the customers fall asleep at some day, which is what a dormant account
    is taken from.
    """
    terminals = max(customers // 2, 50)
    places = rng.random((terminals, 2))
    homes = rng.random((customers, 2))
    order = np.argsort(places[:, 0])
    near = np.searchsorted(places[order, 0], homes[:, 0])
    spread = max(terminals // 12, TERMINALS_OF_A_CUSTOMER)
    picks = near[:, None] + rng.integers(-spread, spread + 1, (customers, TERMINALS_OF_A_CUSTOMER))
    sleeps = np.where(
        rng.random(customers) < 0.03, rng.uniform(0, max(days * 0.6, 1), customers), np.inf
    )
    return Population(
        rate=np.clip(rng.gamma(1.6, 0.85, customers), 0.05, 8),
        amount_mean=np.clip(rng.lognormal(3.3, 0.8, customers), 4, 600),
        amount_spread=rng.uniform(0.35, 0.75, customers),
        hour=rng.normal(13.5, 2.5, customers),
        hour_spread=rng.uniform(2.5, 4.5, customers),
        home=rng.choice(len(COUNTRIES), customers, p=_country_weights()),
        ecom_share=rng.beta(2, 4, customers),
        mccs=rng.integers(0, len(MCCS), (customers, 5)),
        terminals=order[picks % terminals],
        sleeps_from_day=sleeps,
        terminal_mcc=rng.integers(0, len(MCCS), terminals),
        terminal_country=rng.choice(len(COUNTRIES), terminals, p=_country_weights()),
    )


def _country_weights() -> NDArray[np.float64]:
    weights = 1.0 / np.arange(1, len(COUNTRIES) + 1)
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed
