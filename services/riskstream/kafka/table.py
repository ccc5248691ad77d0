"""Compacted topics as tables: the newest record of each key, followed on a thread of its own."""

import threading
import time
from collections.abc import Callable

import structlog

from riskstream.kafka.ports import Record
from riskstream.kafka.read import TopicReader
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("table")
Table = dict[tuple[str, bytes], bytes]
"""The newest value by (topic, key)."""
RETRY_S = 5.0


def read_table(kafka: str, topics: list[str]) -> Table:
    """The tables as they stand now."""
    held: Table = {}
    with TopicReader(kafka, topics) as reader:
        for record in reader.until_end():
            _put(held, record)
    return held


class TableFollower:
    """Follows compacted topics: `on_change` gets the tables once all is read, and again after each change, on its thread.

    What `on_change` raises is logged and tried again; it ends neither the start nor the following.
    """

    def __init__(self, kafka: str, topics: list[str], on_change: Callable[[Table], None]) -> None:
        self._kafka, self._topics, self._on_change = kafka, topics, on_change
        self._stop = threading.Event()
        self._is_read = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="table", daemon=True)

    def start(self, deadline_s: float = 30.0) -> None:
        """Return when everything was read once; Retryable where that takes too long."""
        self._thread.start()
        if not self._is_read.wait(deadline_s):
            why = self._problem or f"not in {deadline_s:.0f} s"
            raise Retryable(what=f"{', '.join(self._topics)} could not be read: {why}", where=self._kafka)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (Retryable, Fatal) as error:  # what was read stays in force until it is back
                self._problem = str(error)
                log.warning("cannot be followed, tried again", topics=self._topics, error=str(error))
                self._stop.wait(1.0)

    def _follow(self) -> None:
        held: Table = {}
        with TopicReader(self._kafka, self._topics) as reader:
            for record in reader.until_end(60):
                _put(held, record)
            is_taken_up = self._change(held)
            self._is_read.set()
            tried_at = time.monotonic()
            while not self._stop.is_set():
                records = reader.poll(0.2)
                for record in records:
                    _put(held, record)
                if records or (not is_taken_up and time.monotonic() - tried_at > RETRY_S):
                    is_taken_up, tried_at = self._change(held), time.monotonic()

    def _change(self, held: Table) -> bool:
        try:
            self._on_change(dict(held))
        except Exception:  # a change that cannot be taken up must not end the following, nor the start
            log.exception("a change cannot be taken up, tried again", topics=self._topics)
            return False
        return True


def _put(held: Table, record: Record) -> None:
    place = record.topic, record.key or b""
    if record.value is None:
        held.pop(place, None)
    else:
        held[place] = record.value
