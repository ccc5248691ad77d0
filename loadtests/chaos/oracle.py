"""What the scores must be: one thread, plain Python, no kernel, no state but lists. Slow on
purpose.

It shares nothing with the product but the record codec: windows are counted event by event, as the
words of `domain/risk/features/declare.py` say. A correction takes the place of its original as
docs/http.md says.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WINDOWS = (10 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY)
REMEMBERED_HOURS = 24
"""A repeated id is told while the customer's newest event time is in an hour at most so many later
than when it came.
"""
EXACT_EVENTS = 256
"""A customer with more events than this inside 30 days is counted by tiles, up to one tile off: not
compared.
"""


Event = tuple[int, int, int, bool, str]
"""Time, serial number, amount, whether it is a refund (which is no spending), id of the
transaction.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The record that leaves windows and sums with a transaction."""

    at: int
    amount: int
    is_refund: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`features` without the six inputs; `left` None where nothing leaves. `is_compared` False:
    only the verdict is known.
    """

    verdict: str
    is_compared: bool = False
    features: list[float] = field(default_factory=list)
    left: Left | None = None
    is_original_unknown: bool = False


@dataclass(slots=True)
class _Customer:
    """`ids` and `marks`: the hour of the customer's newest event time when each came.

    A mark says of an id that it was corrected: by whom, so that a later correction takes that one's
    place.
    """

    events: list[Event] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)
    newest: int = -(10**15)
    is_hot: bool = False

    def remember(self, at: int) -> int:
        """Move the clock on, forget what came long before; the hour."""
        self.newest = max(self.newest, at)
        hour = self.newest // HOUR
        self.ids = {
            name: came for name, came in self.ids.items() if hour - came <= REMEMBERED_HOURS
        }
        self.marks = {
            name: mark for name, mark in self.marks.items() if hour - mark[0] <= REMEMBERED_HOURS
        }
        return hour

    def take_out(self, name: str) -> Left | None:
        """The newest event of a transaction goes."""
        found = [event for event in self.events if event[4] == name]
        if not found:
            return None
        gone = max(found)
        self.events.remove(gone)
        return Left(at=gone[0], amount=gone[2], is_refund=gone[3])

    def correct(self, name: str, original: str, hour: int) -> Left | None:
        """A correction takes the place of its original, or of whoever has that place; it has every
        place of that one then.
        """
        since, stands = self.marks.get(original, (hour, original))
        self.marks |= {
            each: (came, name) for each, (came, who) in self.marks.items() if who == stands
        }
        self.marks[original] = (since, name)
        return self.take_out(stands)

    def keep(self, own: Event) -> None:
        self.events = [
            event for event in [*self.events, own] if event[0] > self.newest - WINDOWS[-1]
        ]
        self.is_hot = self.is_hot or len(self.events) > EXACT_EVENTS


@dataclass(slots=True)
class Oracle:
    """Feed it the good records of one partition in order."""

    customers: dict[str, _Customer] = field(default_factory=dict)
    serial: int = 0

    def apply(self, transaction: dict[str, Any], *, told_a_repeat: bool = False) -> Expected:
        """The verdict and features of this transaction, which then becomes part of its customer's
        past.

        `told_a_repeat`: by a score whose scorer lacked an older record of that id, and so
        remembered a younger one for longer. The state leaves it out as well.
        """
        customer = self.customers.setdefault(transaction["customer_id"], _Customer())
        at, amount = transaction["occurred_at"], transaction["base_amount_minor"]
        name, original = transaction["transaction_id"], transaction["corrects"]
        self.serial += 1
        is_known = name in customer.ids or told_a_repeat
        own = (at, self.serial, amount, transaction["kind"] == "REFUND", name)
        left, is_late = None, False
        if is_known:
            same = [event for event in customer.events if event[0] == at and event[2] == amount]
            own = same[-1] if same else own
        else:
            hour = customer.remember(at)
            customer.ids[name] = hour
            is_late = name in customer.marks
            if original is not None and not is_late:
                left = customer.correct(name, original, hour)
            customer.keep(own)
        verdict = "DUPLICATE" if is_known else "GOOD"
        features = _features(sorted({*customer.events, own}), own)
        is_unknown = not is_known and original is not None and left is None
        # its correction came first: it counts for itself alone, once, and takes nobody's place
        if is_late:
            customer.take_out(name)
            left = Left(at=at, amount=amount, is_refund=own[3])
        if customer.is_hot:
            return Expected(verdict=verdict)
        return Expected(
            verdict=verdict,
            is_compared=True,
            features=features,
            left=left,
            is_original_unknown=is_unknown,
        )


def _features(events: list[Event], own: Event) -> list[float]:
    """Counts, sums, means of spending by window; amount over the mean of the others in 30 days;
    seconds since the event before.
    """
    at, _, amount, _, _ = own
    past = [event for event in events if event[0] <= at]
    spent = [event for event in past if not event[3]]
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
    return not np.array_equal(
        np.array(expected, np.float32), np.array(found, np.float32), equal_nan=True
    )
