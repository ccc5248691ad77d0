"""Callers that wait for their score: one thread reads accepted scores and wakes them."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from riskstream.domain.contracts.columns import Columns
from riskstream.gateway.late import FIELDS as LATE_FIELDS
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.read import RELAXED
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.record import Records
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic

_WATCHED_S, _MOST_WATCHED = 600.0, 50_000
"""How long a score is waited for on behalf of a caller who is answered; and of how many callers.
"""
_AT_ONCE, _A_TURN, _REST_S = 100, 10, 0.005
"""Scores for callers who are answered: how many are handed over together; how many are told in one
turn of the event loop, and the rest behind it, s. They come by the thousand when a scorer comes
back, and callers who wait come between.
"""
log = structlog.get_logger("gateway")


@dataclass(slots=True, eq=False)
class Call:
    """One caller that waits. `future`: its score, with `partition`, `read_at_ns` and `trace`; None
    where it gave up. `place`: its own record's (partition, offset); `early`: scores of its id that
    came before that was known. `told`: the decision that it was told without a score; `missed`: its
    score, where that came after it gave up.
    """

    key: tuple[str, str]
    future: asyncio.Future[dict[str, Any] | None]
    place: tuple[int, int] | None = None
    early: list[dict[str, Any]] = field(default_factory=list)
    told: str | None = None
    missed: dict[str, Any] | None = None

    def give_up(self) -> None:
        """Wait no longer."""
        if not self.future.done():
            self.future.set_result(None)

    def takes(self, score: dict[str, Any]) -> bool:
        """Offer a score of its id; True where that is its answer: of its own record alone, for
        another caller may use the same id with another body.
        """
        if self.place == (score["partition"], score["src"]):
            if not self.future.done():
                self.future.set_result(score)
            return True
        if self.place is None:
            self.early.append(score)
        return False


class ScoreWaiters:
    """Calls by (customer_id, transaction_id). Reads scores.v1 from its end on, all partitions;
    `len` counts those that wait.

    `on_late`: told of a score that came after its caller was `told` something else to go by.
    """

    _waiting, _is_settling = 0, False

    def __init__(
        self,
        bootstrap: str,
        loop: asyncio.AbstractEventLoop,
        on_late: Callable[[Call, dict[str, Any]], None],
    ) -> None:
        self._loop, self._on_late = loop, on_late
        self._calls: dict[tuple[str, str], list[Call]] = {}
        self._watched: deque[tuple[float, Call]] = deque()
        self._late: deque[tuple[tuple[str, str], dict[str, Any]]] = deque()
        self._accepted = AcceptedScores()
        self._reader = ColumnReader(
            bootstrap, SCORES, start="end", committed_only=False, fetching=RELAXED
        )
        self._done = threading.Event()
        self.is_reading = True
        self._thread = threading.Thread(target=self._read, name="scores", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._waiting

    def call(self, customer_id: str, transaction_id: str) -> Call:
        """One that waits for the score of a transaction; make it before the transaction is sent."""
        call = Call((customer_id, transaction_id), self._loop.create_future())
        self._calls.setdefault(call.key, []).append(call)
        self._waiting += 1
        return call

    def sent(self, call: Call, place: tuple[int, int]) -> None:
        """The caller's record stands at this (partition, offset)."""
        call.place = place
        early, call.early = call.early, []
        for score in early:
            self._offer(call, score)

    def watch(self, call: Call, told: str) -> None:
        """The caller was told a decision without a score: wait for its score on its behalf, for ten
        minutes.
        """
        if call.missed is not None:
            call.told = told
            self._on_late(call, call.missed)
        if call not in self._calls.get(call.key, []):
            return
        self._waiting -= 1
        call.told, now = told, monotonic()
        self._watched.append((now, call))
        while self._watched and (
            len(self._watched) > _MOST_WATCHED or self._watched[0][0] < now - _WATCHED_S
        ):
            self._remove(self._watched.popleft()[1])

    def forget(self, call: Call) -> None:
        """The caller is gone."""
        if self._remove(call) and call.told is None:
            self._waiting -= 1

    def _remove(self, call: Call) -> bool:
        mine = self._calls.get(call.key, [])
        if call not in mine:
            return False
        mine.remove(call)
        if not mine:
            del self._calls[call.key]
        return True

    def _offer(self, call: Call, score: dict[str, Any]) -> None:
        if not call.takes(score):
            return
        if call.told is not None:
            self._on_late(call, score)
        elif call.future.result() is None:
            call.missed = score  # it came between giving up and being told
        self.forget(call)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._reader.close()

    def _read(self) -> None:
        try:
            while not self._done.is_set():
                try:
                    found = self._reader.columns(0.1)
                except Retryable as error:
                    log.warning("scores cannot be read now", error=str(error))
                    continue
                for records in found:
                    self._wake(records)
        except Fatal as error:
            log.error("scores cannot be read", error=str(error))
            self.is_reading = False
        except Exception:  # the thread ends: the gateway is not alive any more, and says so
            log.exception("scores are read no more")
            self.is_reading = False

    def _wake(self, records: Records) -> None:
        """Wake who waits for a score of one partition. Also while nobody does, scores are accepted:
        what was before tells a repeat.
        """
        batch = self._accepted.decode(records, wait_s=0)
        rows, columns = self._accepted.rows_of_one(batch, records.partition), batch.columns
        if not self._calls:
            return
        rows = rows[columns.is_null("transaction_id")[rows] == 0]
        keys = zip(
            columns.texts("customer_id", rows), columns.texts("transaction_id", rows), strict=True
        )
        found: list[tuple[tuple[str, str], dict[str, Any]]] = []
        for row, key in zip(rows.tolist(), keys, strict=True):
            if (calls := self._calls.get(key)) is None:
                continue
            is_late = all(call.told is not None for call in calls)
            if is_late:
                score = _late(columns, row, calls)
            else:
                score = columns.record(row) | {
                    "read_at_ns": time.time_ns(),
                    "trace": records.traces.get(row),
                }
            place = {"partition": records.partition, "appended_at": int(records.appended_at[row])}
            found.append((key, score | place))
            if not is_late:
                self._loop.call_soon_threadsafe(self._settle, *found.pop())
            elif len(found) == _AT_ONCE:
                self._loop.call_soon_threadsafe(self._settle_late, found)
                found = []
        if found:
            self._loop.call_soon_threadsafe(self._settle_late, found)

    def _settle(self, key: tuple[str, str], score: dict[str, Any]) -> None:
        for call in list(self._calls.get(key, [])):
            self._offer(call, score)

    def _settle_late(self, found: list[tuple[tuple[str, str], dict[str, Any]]]) -> None:
        self._late.extend(found)
        if not self._is_settling:
            self._settle_some()

    def _settle_some(self) -> None:
        settled = min(_A_TURN, len(self._late))
        for _ in range(settled):
            self._settle(*self._late.popleft())
        self._is_settling = settled > 0
        if settled:
            self._loop.call_later(_REST_S, self._settle_some)


def _late(columns: Columns, row: int, calls: list[Call]) -> dict[str, Any]:
    """What is needed of a score whose callers are answered: they come by the thousand when a scorer
    comes back.
    """
    decision = columns.value("decision", row)
    if all(call.told == decision for call in calls):
        return {"src": columns.value("src", row), "decision": decision}
    return {name: columns.value(name, row) for name in LATE_FIELDS}
