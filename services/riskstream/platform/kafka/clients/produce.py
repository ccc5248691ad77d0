"""Producers for edges: in bulk with back pressure, and one record at a time for a caller that
waits.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from riskstream.domain.contracts.catalog import topic as declared
from riskstream.platform.kafka.clients.client import (
    GAPLESS,
    producer,
    producer_of,
    producing,
    translated,
)
from riskstream.platform.kafka.clients.limits import record_bytes
from riskstream.platform.kafka.traced import header_of
from riskstream.platform.telemetry.context import TraceContext
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

Place = tuple[int, int]
"""Partition and offset."""
_Report = tuple["asyncio.Future[Place]", KafkaError | None, int | None, int | None]
"""What Kafka says of one record, and who waits for it."""


class BulkProducer:
    """Sends many records; `send` holds when the queue is full, `flush` returns when the broker has
    all. `linger_ms`: how long a record waits for others of its partition; `flush` ends the wait.
    """

    def __init__(
        self, bootstrap: str, name: str, *, queue: int = 50_000, linger_ms: float = 1
    ) -> None:
        settings: dict[str, Any] = {
            **GAPLESS,
            "linger.ms": linger_ms,
            "queue.buffering.max.messages": queue,
            # one call and one Message a record that arrived would cost more than to produce it
            "delivery.report.only.error": True,
        }
        self._producer = producer_of({**producing(bootstrap, name), **settings})
        self._error: KafkaError | None = None

    def send(
        self, topic: str, keys: Iterable[bytes | None], frames: Sequence[bytes | None]
    ) -> None:
        """Queue records in order; returns when all of them are in the queue."""
        produce, told, by_key = self._producer.produce, self._on_delivered, -1
        for key, frame in zip(keys, frames, strict=True):
            while True:
                try:
                    # by position: to read names takes a third of the call
                    produce(topic, frame, key, by_key, told)
                    break
                except BufferError:
                    self._told(self._producer.poll, 0.05)
                except KafkaException as error:
                    self._raise()
                    raise translated(error, topic) from error
        self.poll()

    def poll(self) -> None:
        """Take delivery reports; Fatal where a record was refused."""
        self._told(self._producer.poll, 0)

    def flush(self, deadline_s: float = 60.0) -> None:
        """Wait until the broker has everything; Retryable after the deadline."""
        left = self._told(self._producer.flush, deadline_s)
        if left:
            raise Retryable(
                what=f"{left} records were not delivered in {deadline_s:.0f} s", where="Kafka"
            )

    def _told(self, serve: Callable[[float], int], wait_s: float) -> int:
        """What `serve` returns; Fatal where a record was refused. The client breaks then: it raises
        KafkaException, or SystemError where it called us with that exception set.
        """
        try:
            found = serve(wait_s)
        except (KafkaException, SystemError) as error:
            self._raise()
            if isinstance(error, KafkaException):
                raise translated(error, "producer") from error
            raise
        self._raise()
        return found

    def _on_delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None and self._error is None:  # those that follow are only purged
            self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise Fatal(
                what=f"Kafka refused a record: {self._error.str()}",
                where="producer",
                do="check the topics",
            )


def put(
    bootstrap: str,
    name: str,
    key: bytes,
    frame: bytes | None,
    *,
    partition: int | None = None,
    deadline_s: float = 15.0,
) -> None:
    """One record of a compacted topic, there when this returns; Retryable after the deadline, Fatal
    where it is refused.

    Without a frame it deletes the key. `partition`: that of the record to be replaced, where it may
    not be the key's own. Not idempotent, which costs half a second at the start: that the newest
    value of a key stands twice changes nothing.
    """
    limit = declared(name).max_bytes
    size = record_bytes(key, frame or b"", [])
    if size > limit:
        raise Fatal(
            what=f"a record of {size:,} bytes does not fit: {limit:,} at most",
            where=name,
            do="make it smaller",
            exit_code=Exit.INPUT,
        )
    refused: list[KafkaError] = []
    client = producer_of(
        {
            **producing(bootstrap, "put"),
            "acks": "all",
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "message.max.bytes": limit,
            "message.timeout.ms": int(1000 * deadline_s),
        }
    )
    by_key = -1
    client.produce(
        name,
        frame,
        key,
        by_key if partition is None else partition,
        on_delivery=lambda error, _: refused.append(error) if error else None,
    )
    left = client.flush(deadline_s + 1)
    if refused:
        raise translated(refused[0], name)
    if left:
        raise Retryable(what=f"a record was not delivered in {deadline_s:.0f} s", where=name)


class AwaitedProducer:
    """Sends single records from an event loop; each awaits the broker's acknowledgement."""

    def __init__(
        self, bootstrap: str, name: str, loop: asyncio.AbstractEventLoop, **overrides: Any
    ) -> None:
        """`overrides`: settings of the client."""
        self._producer = producer(bootstrap, name, **overrides)
        self._loop = loop
        self._reports: list[_Report] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._thread.start()

    async def send(
        self, topic: str, key: bytes, value: bytes, context: TraceContext | None = None
    ) -> tuple[int, int]:
        """(partition, offset) once the broker has the record; Retryable where it could not take it
        in time.
        """
        return await self.begin(topic, key, value, context)

    def begin(
        self, topic: str, key: bytes, value: bytes, context: TraceContext | None = None
    ) -> "asyncio.Future[tuple[int, int]]":
        """As `send`, without waiting: whoever wants to wait for less long than the client does."""
        future: asyncio.Future[tuple[int, int]] = self._loop.create_future()
        future.add_done_callback(_see)

        def on_delivered(error: KafkaError | None, message: Message) -> None:
            self._reports.append((future, error, message.partition(), message.offset()))

        by_key = -1
        try:
            # by position: to read names takes a third of the call
            self._producer.produce(topic, value, key, by_key, on_delivered, **_headers(context))
        except BufferError as error:
            raise Retryable(what="the producer's queue is full", where=topic) from error
        except KafkaException as error:
            raise translated(error, topic) from error
        return future

    def begin_many(
        self, topic: str, keys: Sequence[bytes], frames: Sequence[bytes]
    ) -> "asyncio.Future[list[Place | None]]":
        """Where each record stands, once the broker has them: None of one that it did not take in
        time, or that the queue has no room for.
        """
        future: asyncio.Future[list[Place | None]] = self._loop.create_future()
        places: list[Place | None] = [None] * len(keys)
        told, produce, by_key = _Told(self._loop, future, places), self._producer.produce, -1
        sent = 0
        try:
            for at, (key, frame) in enumerate(zip(keys, frames, strict=True)):
                # by position: to read names takes a third of the call
                produce(topic, frame, key, by_key, partial(told.of, at))
                sent += 1
        except (BufferError, KafkaException):
            pass  # those that follow would fail alike
        told.expect(sent)
        return future

    def close(self) -> None:
        """Deliver what is queued, 5 s at most, and end."""
        self._producer.flush(5)
        self._done.set()
        self._thread.join()

    def _poll(self) -> None:
        """The loop is woken once for all reports that came together."""
        while not self._done.is_set():
            self._producer.poll(0.1)
            if self._reports:
                reports, self._reports = self._reports, []
                self._loop.call_soon_threadsafe(_settle_all, reports)


class _Told:
    """Counts delivery reports of many records, which come on the polling thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[list[Place | None]]",
        places: list[Place | None],
    ) -> None:
        self._loop, self._future, self._places = loop, future, places
        self._told, self._sent = 0, -1

    def of(self, at: int, error: KafkaError | None, message: Message) -> None:
        """The report of record `at`."""
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self._places[at] = partition, offset
        self._told += 1
        if self._told == self._sent:
            self._loop.call_soon_threadsafe(self._settle)

    def expect(self, sent: int) -> None:
        """So many reports come, or have come."""
        self._sent = sent
        if self._told == sent:
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._future.done():
            self._future.set_result(self._places)


def _headers(context: TraceContext | None) -> dict[str, Any]:
    return {"headers": header_of(context)} if context is not None else {}


def _see(future: "asyncio.Future[tuple[int, int]]") -> None:
    """Nobody may wait any more: that it failed is not worth a line of asyncio's."""
    if not future.cancelled():
        future.exception()


def _settle_all(reports: list[_Report]) -> None:
    for report in reports:
        _settle(*report)


def _settle(
    future: "asyncio.Future[tuple[int, int]]",
    error: KafkaError | None,
    partition: int | None,
    offset: int | None,
) -> None:
    if future.done():
        return
    if error is None and partition is not None and offset is not None:
        future.set_result((partition, offset))
    else:
        why = error.str() if error else "no position"
        future.set_exception(
            Retryable(what=f"Kafka did not take the record: {why}", where="producer")
        )
