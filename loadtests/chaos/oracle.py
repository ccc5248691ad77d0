"""What the scores must be: one thread, plain Python, no kernel, no state but lists. Slow on purpose.

It shares nothing with the product but the record codec: windows are counted event by event, as the words of
`risk/features/declare.py` say.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WINDOWS = (10 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY)
REMEMBERED_HOURS = 24
"""A repeated id is told while the customer's newest event time is in an hour at most so many later than when it came."""
EXACT_EVENTS = 256
"""A customer with more events than this inside 30 days is counted by tiles, up to one tile off: not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`features` without the six inputs, None where they are not compared."""

    verdict: str
    features: list[float] | None = None


@dataclass(slots=True)
class _Customer:
    events: list[tuple[int, int, int, bool]] = field(default_factory=list)
    """Time, serial number, amount, and whether it is spending: a refund is not."""
    ids: dict[str, int] = field(default_factory=dict)
    """The hour of the customer's newest event time when each id came."""
    hour: int = -(10**9)
    is_hot: bool = False


@dataclass(slots=True)
class Oracle:
    """Feed it the good records of one partition in order."""

    customers: dict[str, _Customer] = field(default_factory=dict)
    serial: int = 0

    def apply(self, transaction: dict[str, Any], recorded: str | None = None) -> Expected:
        """The verdict and features of this transaction, which then becomes part of its customer's past.

        `recorded` is the verdict of a score that says that its row could not be read: a repeat could not be known
        then, and what was recorded is what counts from there on.
        """
        customer = self.customers.setdefault(transaction["customer_id"], _Customer())
        at, amount = transaction["occurred_at"], transaction["base_amount_minor"]
        name = transaction["transaction_id"]
        self.serial += 1
        is_repeat = name in customer.ids if recorded is None else recorded == "DUPLICATE"
        own = (at, self.serial, amount, transaction["kind"] != "REFUND")
        if is_repeat:
            same = [event for event in customer.events if event[0] == at and event[2] == amount]
            own = same[-1] if same else own
        else:
            customer.hour = max(customer.hour, at // HOUR)
            customer.ids = {id_: came for id_, came in customer.ids.items() if customer.hour - came <= REMEMBERED_HOURS}
            customer.ids.setdefault(name, customer.hour)
            customer.events.append(own)
            newest = max(event[0] for event in customer.events)
            customer.events = [event for event in customer.events if event[0] > newest - WINDOWS[-1]]
            customer.is_hot = customer.is_hot or len(customer.events) > EXACT_EVENTS
        verdict = "DUPLICATE" if is_repeat else "GOOD"
        if customer.is_hot:
            return Expected(verdict=verdict)
        events = sorted({*customer.events, own})
        return Expected(verdict=verdict, features=_features(events, own))


def _features(events: list[tuple[int, int, int, bool]], own: tuple[int, int, int, bool]) -> list[float]:
    """Counts, sums, means of spending by window; amount over the mean of the others in 30 days; seconds since the event before."""
    at, _, amount, _ = own
    past = [event for event in events if event[0] <= at]
    spent = [event for event in past if event[3]]
    amounts = [[event[2] for event in spent if event[0] > at - window] for window in WINDOWS]
    others = [event[2] for event in spent if event[0] > at - WINDOWS[-1] and event != own]
    before = [event for event in past if event < own]
    return [
        *(float(len(each)) for each in amounts),
        *(float(sum(each)) for each in amounts),
        *(sum(each) / len(each) if each else float("nan") for each in amounts),
        amount * len(others) / sum(others) if sum(others) > 0 else float("nan"),
        (at - before[-1][0]) / 1000 if before else float("nan"),
    ]


def differs(expected: list[float], found: list[float]) -> bool:
    """True where a feature is not the same 32-bit number (NaN equals NaN)."""
    return not np.array_equal(np.array(expected, np.float32), np.array(found, np.float32), equal_nan=True)
