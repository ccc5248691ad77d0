"""What a lane writes: scores in source order, dead letters, and what the broker says of them (I3,
B4).
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.clients.client import (
    GAPLESS,
    flushed,
    producer_of,
    producing,
    translated,
)
from riskstream.platform.kafka.clients.limits import fitted, producer_bytes, short_key
from riskstream.platform.kafka.clients.native.choice import put_of
from riskstream.platform.kafka.clients.put import Records
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
        self._put = put_of(self._producer, settings.output, settings.client, metrics.native)

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

    def close(self) -> None:
        """Give back what is held of the client; nothing is sent any more."""
        self._put.close()

    def send(
        self, batch: Batch, outcome: Outcome, owned_by: dict[int, Owned], hops: dict[int, Hop]
    ) -> None:
        """B4: in source order, to the same partition number; only a partition's last record carries
        a callback.

        A record with a hop carries the context of its span, one whose key was cut the key's length
        and hash.
        """
        named: dict[int, Any] = {index: header_of(hop.context) for index, hop in hops.items()}
        cut = _short_keys(batch.keys, outcome.rejected, named)
        offsets = batch.offsets
        records = Records(Joined.of(outcome.frames), Joined.of(batch.keys), batch.partitions)
        if records.frames.nulls.any():  # replayed or abandoned records among them
            is_live = records.frames.nulls == 0
            places = (np.cumsum(is_live) - 1).tolist()
            named = {places[index]: each for index, each in named.items() if is_live[index]}
            cut = {places[index]: key for index, key in cut.items() if is_live[index]}
            records, offsets = records.kept(is_live), offsets[is_live]
        last = _last_rows(records.partitions)
        half, done = len(records) // 2, 0
        for stop in sorted({half, *last, *named}):
            self._put_all(records, done, stop)
            done = stop
            if stop == half:
                self._producer.poll(0)  # what was produced so far may be on its way
                fault_point("half_produced")
            if stop in last or stop in named:
                frame, key, partition = records.row(stop)
                done += 1
                callback = (
                    partial(self._on_delivered, owned_by[partition], int(offsets[stop]))
                    if stop in last
                    else None
                )
                row = frame, cut.get(stop, key), partition, callback
                headers = named.get(stop)
                try:
                    self._producer.produce(self._settings.output, *row, headers=headers)
                except BufferError:
                    self._produce_when_room(self._settings.output, *row, headers)

    def _put_all(self, records: Records, first: int, stop: int) -> None:
        """Records without a callback, in order."""
        while (first := self._put.put(records, first, stop)) < stop:
            self._produce_when_room(self._settings.output, *records.row(first), None)
            first += 1

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
    keys: Sequence[bytes | None], rejected: list[tuple[int, str]], named: dict[int, Any]
) -> dict[int, bytes]:
    """By index the key of a score where the record's is too long: only a rejected record's can be.
    What is cut of it is told in `named`, its headers.
    """
    cut = {}
    for index, _ in rejected:
        key, told = short_key(keys[index])
        if told and key is not None:
            cut[index] = key
            named[index] = told + named.get(index, [])
    return cut


def _last_rows(partitions: NDArray[np.int32]) -> set[int]:
    """The last row of each partition."""
    rows = np.full(int(partitions.max(initial=-1)) + 1, -1, np.int64)
    rows[partitions] = np.arange(len(partitions))  # of several the last one stays
    return set(rows[rows >= 0].tolist())
