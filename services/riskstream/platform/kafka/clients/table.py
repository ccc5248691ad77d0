"""Compacted topics, followed record by record on a thread of their own; and the keys that stand in
one.
"""

import threading
import time
from typing import Protocol

import structlog

from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("table")
RETRY_S = 5.0


def read_keys(kafka: str, topic: str) -> set[bytes]:
    """The keys that stand in a compacted topic now."""
    held: dict[bytes, bool] = {}
    with TopicReader(kafka, [topic]) as reader:
        for record in reader.until_end():
            held[record.key or b""] = record.value is not None
    return {key for key, is_there in held.items() if is_there}


class Sink(Protocol):
    """What a follower tells, on its thread. What `settle` raises is logged and tried again, as
    where it gives False.
    """

    def begin(self) -> None:
        """The topics are read from their beginning: at the start, and again after Kafka was
        away.
        """

    def take(self, record: Record) -> None:
        """A record. What it raises is logged, and the record left out."""

    def settle(self) -> bool:
        """All that there was is taken: act on it. False: nothing new has to come before it is tried
        again.
        """


class TopicFollower:
    """Follows compacted topics and tells a sink; nothing that goes wrong ends the start or the
    following.
    """

    def __init__(self, kafka: str, topics: list[str], sink: Sink) -> None:
        self._kafka, self._topics, self._sink = kafka, topics, sink
        self._stop = threading.Event()
        self._is_read = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="table", daemon=True)

    def begin(self) -> None:
        """Start, without waiting for what is there."""
        self._thread.start()

    def start(self, deadline_s: float = 30.0) -> None:
        """Return when everything was read once; Retryable where that takes too long."""
        self.begin()
        if not self._is_read.wait(deadline_s):
            why = self._problem or f"not in {deadline_s:.0f} s"
            raise Retryable(
                what=f"{', '.join(self._topics)} could not be read: {why}", where=self._kafka
            )

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (Retryable, Fatal) as error:  # what was read stays in force until it is back
                self._problem = str(error)
                log.warning(
                    "cannot be followed; trying again", topics=self._topics, error=str(error)
                )
                self._stop.wait(1.0)
            except Exception as error:
                # a thread that ends would leave everybody on what was said last, unseen
                self._problem = repr(error)
                log.exception("cannot be followed; trying again", topics=self._topics)
                self._stop.wait(1.0)

    def _follow(self) -> None:
        self._sink.begin()
        with TopicReader(self._kafka, self._topics) as reader:
            for record in reader.until_end(60):
                self._take(record)
            is_settled = self._settle()
            self._is_read.set()
            tried_at = time.monotonic()
            while not self._stop.is_set():
                records = reader.poll(0.2)
                for record in records:
                    self._take(record)
                if records or (not is_settled and time.monotonic() - tried_at > RETRY_S):
                    is_settled, tried_at = self._settle(), time.monotonic()

    def _take(self, record: Record) -> None:
        try:
            self._sink.take(record)
        except Exception:  # one record that cannot be taken must not hide the others
            log.exception(
                "a record cannot be taken and is left out", topic=record.topic, offset=record.offset
            )

    def _settle(self) -> bool:
        try:
            return self._sink.settle()
        except Exception:
            # a change that cannot be applied must not end the following, nor the start
            log.exception("a change cannot be applied; trying again", topics=self._topics)
            return False
