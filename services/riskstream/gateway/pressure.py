"""How late the event loop is, and how many transactions a second bodies of many may bring in
because of it: callers of decisions go first.
"""

import asyncio
import math
from collections.abc import Callable

from riskstream.runtime.machine import monotonic

_TICK_S, _LATE_S = 0.02, 0.02
"""Between two looks; and a delay that callers of decisions would feel: what is kept to record an
answer is 30 ms.
"""
_LEAST, _GROWTH, _UNLIMITED = 500.0, 1.5, 1e6
"""Transactions a second that are let in however late it is; what they grow by in a second without
delays; and a rate that is as good as none.
"""
_CUT_S, _RECENT_S = 0.5, 2.0
"""Between two cuts, as the first one needs time to act; and how long a decision counts: without any
bodies have the machine for themselves.
"""


class Pressure:
    """Instants are seconds of `now`, `rate` is in transactions a second. Used from the event loop
    alone.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now, at = now, now()
        self._decided_at = self._cut_at = at - _RECENT_S - 1
        self._grown_at = self._paid_at = self._used_at = at
        self._rate, self._debt, self._used = math.inf, 0.0, 0.0

    def decides(self) -> None:
        """A caller asks for a decision."""
        self._decided_at = self._now()

    def see(self, late_s: float) -> None:
        """The loop came so much later than it was to: of that which bodies brought in lately, half
        is let in from now on.
        """
        now = self._now()
        self._pay(now)
        if late_s > _LATE_S:
            if now >= self._cut_at + _CUT_S:
                self._cut_at = now
                self._rate = max(min(self._rate, self._recent(now)) / 2, _LEAST)
        elif now >= self._cut_at + _CUT_S:
            self._rate *= _GROWTH ** (now - self._grown_at)
        self._grown_at = now
        if self._rate > _UNLIMITED or now > self._decided_at + _RECENT_S:
            self._rate, self._debt = math.inf, 0.0

    def spend(self, transactions: int) -> None:
        """A body brought in so many."""
        now = self._now()
        self._pay(now)
        self._used, self._used_at = self._recent(now) + transactions, now
        if self._rate < math.inf:
            self._debt += transactions

    @property
    def rate(self) -> float:
        """How many are let in; infinite where there is no limit."""
        return self._rate

    @property
    def is_open(self) -> bool:
        """Whether a body is let in now: what those before brought in is paid off at the rate."""
        self._pay(self._now())
        return self._debt <= 0

    def _pay(self, now: float) -> None:
        if self._rate < math.inf:
            self._debt = max(self._debt - self._rate * (now - self._paid_at), 0.0)
        self._paid_at = now

    def _recent(self, now: float) -> float:
        """Transactions of about the last second."""
        return self._used * math.exp(self._used_at - now)

    async def watch(self) -> None:
        """Look again and again, until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.see(loop.time() - due)
