"""Callers that wait for their score: one thread reads accepted scores and wakes them."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import structlog

from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.read import RELAXED
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.record import Records
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("gateway")


@dataclass(slots=True, eq=False)
class _Caller:
    """One that waits. `place`: its own record's (partition, offset); `early`: scores of its id that
    came before that was known.
    """

    future: asyncio.Future[dict[str, Any]]
    is_by_place: bool
    place: tuple[int, int] | None = None
    early: list[dict[str, Any]] = field(default_factory=list)

    def offer(self, score: dict[str, Any]) -> bool:
        """Give it a score of its id; True where that is its answer."""
        if not self.is_by_place or self.place == (score["partition"], score["src"]):
            if not self.future.done():
                self.future.set_result(score)
            return True
        if self.place is None:
            self.early.append(score)
        return False


class ScoreWaiters:
    """Waiters by (customer_id, transaction_id). Reads scores.v1 from its end on, all partitions;
    `len` counts callers.
    """

    _callers = 0

    def __init__(self, bootstrap: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: dict[tuple[str, str], list[_Caller]] = {}
        self._accepted = AcceptedScores()
        self._reader = ColumnReader(
            bootstrap, SCORES, start="end", committed_only=False, fetching=RELAXED
        )
        self._done = threading.Event()
        self.is_reading = True
        self._thread = threading.Thread(target=self._read, name="scores", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return self._callers

    def wait_for(
        self, customer_id: str, transaction_id: str, *, by_place: bool = False
    ) -> "asyncio.Future[dict[str, Any]]":
        """A future of the score, with its `partition`, `read_at_ns` and `trace`; call it before the
        transaction is sent.

        `by_place`: of that record alone of which `sent` tells, for another caller may use the same
        id with another body.
        """
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiters.setdefault((customer_id, transaction_id), []).append(
            _Caller(future, by_place)
        )
        self._callers += 1
        return future

    def sent(
        self,
        customer_id: str,
        transaction_id: str,
        future: "asyncio.Future[dict[str, Any]]",
        place: tuple[int, int],
    ) -> None:
        """The caller's record stands at this (partition, offset)."""
        for caller in self._waiters.get((customer_id, transaction_id), []):
            if caller.future is future:
                caller.place = place
                early, caller.early = caller.early, []
                if any(caller.offer(score) for score in early):
                    self.forget(customer_id, transaction_id, future)
                return

    def forget(
        self, customer_id: str, transaction_id: str, future: "asyncio.Future[dict[str, Any]]"
    ) -> None:
        """The caller is gone."""
        waiting = self._waiters.get((customer_id, transaction_id), [])
        left = [caller for caller in waiting if caller.future is not future]
        self._callers -= len(waiting) - len(left)
        waiting[:] = left
        if not waiting:
            self._waiters.pop((customer_id, transaction_id), None)

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
        if not self._waiters:
            return
        rows = rows[columns.is_null("transaction_id")[rows] == 0]
        keys = zip(
            columns.texts("customer_id", rows), columns.texts("transaction_id", rows), strict=True
        )
        for row, key in zip(rows.tolist(), keys, strict=True):
            if key in self._waiters:
                score = {
                    **columns.record(row),
                    "partition": records.partition,
                    "read_at_ns": time.time_ns(),
                    "trace": records.traces.get(row),
                }
                self._loop.call_soon_threadsafe(self._settle, key, score)

    def _settle(self, key: tuple[str, str], score: dict[str, Any]) -> None:
        for caller in list(self._waiters.get(key, [])):
            if caller.offer(score):
                self.forget(*key, caller.future)
