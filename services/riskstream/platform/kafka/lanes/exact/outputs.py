"""What a lane writes: scores in source order, dead letters, and what the broker says of them (I3,
B4).
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from riskstream.platform.kafka.clients.client import (
    GAPLESS,
    flushed,
    producer_of,
    producing,
    translated,
)
from riskstream.platform.kafka.clients.limits import fitted, producer_bytes, short_key
from riskstream.platform.kafka.lanes.exact.owned import Owned
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.ports import SKIP, Batch, Outcome
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.kafka.traced import header_of
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.platform.telemetry.span import Hop
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point

log = structlog.get_logger("lane")


class LaneOutputs:
    """The lane's producer. `failure` is set when the process must end: a delivery failed, or the
    client is broken.
    """

    def __init__(self, settings: LaneSettings, metrics: LaneMetrics) -> None:
        self._settings, self._metrics = settings, metrics
        self.failure: Fatal | Retryable | None = None
        self._producer = producer_of(
            {
                **producing(
                    settings.output_kafka or settings.kafka, settings.client_id or settings.group
                ),
                "error_cb": self._on_client_error,
                **GAPLESS,
                **settings.producer_overrides,
            }
        )

    def poll(self, timeout_s: float = 0) -> None:
        """Take delivery reports. KafkaException where the client is broken: it calls no callback
        then.
        """
        self._producer.poll(timeout_s)

    def flush(self, deadline_s: float) -> None:
        """Wait until the broker has everything, no longer than the deadline."""
        try:
            flushed(self._producer, deadline_s)
        except KafkaException as error:
            self.failure = self.failure or translated(error, self._settings.output)

    def send(
        self, batch: Batch, outcome: Outcome, owned_by: dict[int, Owned], hops: dict[int, Hop]
    ) -> None:
        """B4: in source order, to the same partition number; only a partition's last record carries
        a callback.

        A record with a hop carries the context of its span, one whose key was cut the key's length
        and hash.
        """
        frames, partitions, offsets = outcome.frames, batch.partitions, batch.offsets
        named: dict[int, Any] = {index: header_of(hop.context) for index, hop in hops.items()}
        keys = _short_keys(batch.keys, outcome.rejected, named)
        if None in frames:  # replayed or abandoned records among them
            live = [index for index, frame in enumerate(frames) if frame is not None]
            frames, keys = [frames[index] for index in live], [keys[index] for index in live]
            partitions, offsets = partitions[live], offsets[live]
            named = (
                {at: named[index] for at, index in enumerate(live) if index in named}
                if named
                else named
            )
        parts = partitions.tolist()
        last = set({partition: index for index, partition in enumerate(parts)}.values())
        rows = zip(frames, keys, parts, strict=True)
        half, done = len(frames) // 2, 0
        for stop in sorted({half, *last, *named}):
            self._produce_all(islice(rows, stop - done))
            done = stop
            if stop == half:
                self._producer.poll(0)  # what was produced so far may be on its way
                fault_point("half_produced")
            if stop in last or stop in named:
                row = next(rows)
                done += 1
                callback = (
                    partial(self._on_delivered, owned_by[row[2]], int(offsets[stop]))
                    if stop in last
                    else None
                )
                headers = named.get(stop)
                try:
                    self._producer.produce(self._settings.output, *row, callback, headers=headers)
                except BufferError:
                    self._produce_when_room(self._settings.output, *row, callback, headers)

    def _produce_all(self, rows: Iterator[tuple[bytes | None, bytes | None, int]]) -> None:
        """Records without a callback, in order. This loop runs once a record: nothing may be added
        to it.
        """
        produce, topic = self._producer.produce, self._settings.output
        frame = key = partition = None
        while True:
            try:
                for frame, key, partition in rows:
                    produce(topic, frame, key, partition)
                return
            except BufferError:
                assert partition is not None
                self._produce_when_room(topic, frame, key, partition, None)

    def _produce_when_room(
        self,
        topic: str,
        frame: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Any,
        headers: Any = None,
    ) -> None:
        """The queue is full: hold everything and offer the same record again, for a hole may never
        be left (I3).
        """
        extra = {"headers": headers} if headers is not None else {}
        while self.failure is None:
            self._producer.poll(0.05)
            self._metrics.loop_seen.set(time.time())
            try:
                self._producer.produce(topic, frame, key, partition, callback, **extra)
                return
            except BufferError:
                continue
        raise self.failure

    def _on_delivered(
        self, owned: Owned, src: int, error: KafkaError | None, message: Message
    ) -> None:
        """I3: one callback moves a; a failed delivery ends the process."""
        if error is not None:
            self.failure = Fatal(
                what=f"a score was not delivered: {error.str()}",
                where=self._settings.output,
                do="restart the process",
            )
            return
        if src > owned.acked_src:
            owned.acked_src, owned.acked_output_offset = src, message.offset() or 0

    def send_dead_letters(
        self,
        batch: Batch,
        rejected: list[tuple[int, str]],
        owned_by: dict[int, Owned],
        hops: dict[int, Hop],
    ) -> None:
        """Rejected records go to the dead letters; those rejected before, and replayed now, once
        more (A5).
        """
        for index in np.flatnonzero(batch.modes == SKIP).tolist():
            owned = owned_by[int(batch.partitions[index])]
            found = owned.recorded.get(int(batch.offsets[index]))
            if found is not None:  # what is left is what was rejected
                self._dead_letter(batch, index, found.reason or "", owned)
        for index, reason in rejected:
            self._dead_letter(
                batch, index, reason, owned_by[int(batch.partitions[index])], hops.get(index)
            )

    def _dead_letter(
        self, batch: Batch, index: int, reason: str, owned: Owned, hop: Hop | None = None
    ) -> None:
        partition, offset = int(batch.partitions[index]), int(batch.offsets[index])
        owned.dead_letters_out.add(offset)
        headers: Any = dead_letter_headers(
            self._settings.source, partition, offset, reason, batch.values[index]
        )
        self._metrics.rejected.labels(reason=reason).inc()
        if hop is not None:
            hop.error = f"rejected: {reason}"
            headers += header_of(hop.context)
            log.info(
                "rejected",
                partition=partition,
                offset=offset,
                reason=reason,
                **hop.context.logged(),
            )

        def on_delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self.failure = Fatal(
                    what=f"a dead letter was not delivered: {error.str()}",
                    where=self._settings.dead_letters,
                    do="restart the process",
                )
                return  # it stays out: no checkpoint may pass it
            owned.dead_letters_out.discard(offset)

        limit = min(self._settings.dead_letter_bytes, producer_bytes())
        key, value, headers = fitted(batch.keys[index], batch.values[index], headers, limit)
        args = (self._settings.dead_letters, value, key, partition, on_delivered)
        try:
            self._producer.produce(*args, headers=headers)
        except BufferError:
            self._produce_when_room(*args, headers=headers)

    def _on_client_error(self, error: KafkaError) -> None:
        log.debug("client error", error=error.str())


def _short_keys(
    keys: list[bytes | None], rejected: list[tuple[int, str]], named: dict[int, Any]
) -> list[bytes | None]:
    """Keys of the scores: only a rejected record's can be too long; what is cut of it is told in
    `named`, its headers.
    """
    short = {index: short_key(keys[index]) for index, _ in rejected}
    short = {index: cut for index, cut in short.items() if cut[1]}
    if not short:
        return keys
    keys = keys.copy()
    for index, (key, told) in short.items():
        keys[index] = key
        named[index] = told + named.get(index, [])
    return keys
