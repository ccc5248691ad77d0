"""What a forward lane writes: its outputs in order, dead letters, and what the broker says of
them.
"""

from typing import Any

import numpy as np
import structlog
from confluent_kafka import KafkaError, KafkaException, Message
from prometheus_client import Gauge

from riskstream.platform.kafka.clients.client import (
    GAPLESS,
    flushed,
    producer_of,
    producing,
    translated,
)
from riskstream.platform.kafka.clients.limits import fitted, producer_bytes
from riskstream.platform.kafka.clients.native.choice import put_of
from riskstream.platform.kafka.clients.put import Records
from riskstream.platform.kafka.lanes.forward_settings import ForwardSettings
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.lanes.ports import Forwarded, Intake
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.kafka.traced import header_of
from riskstream.platform.telemetry.span import Hop
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point

log = structlog.get_logger("forward")
_DRAIN_S = 10.0


class ForwardOutputs:
    """The lane's producer. `failure` is set when the process must end: a record was refused, or the
    client is broken.
    """

    def __init__(self, settings: ForwardSettings, member: Member, native: Gauge) -> None:
        """`native`: as `put_of` shows it."""
        self._settings, self._member = settings, member
        self.failure: Fatal | Retryable | None = None
        self._producer = producer_of({**producing(settings.kafka, settings.group), **GAPLESS})
        self._put = put_of(self._producer, settings.output, settings.client, native)

    def poll(self) -> None:
        """Take delivery reports. KafkaException where the client is broken."""
        self._producer.poll(0)

    def fail(self, error: KafkaException) -> None:
        """End with this, but for a failure of before: that was its cause."""
        self.failure = self.failure or translated(error, self._settings.group)

    def close(self) -> None:
        """Give back what is held of the client; nothing is sent any more."""
        self._put.close()

    def send(self, made: Forwarded, hops: dict[int, Hop]) -> None:
        """Outputs as the work gave them, to the partition of their key. `hops`: by row of the
        source.

        Only the last one, and those with a hop, have a delivery report: after one that was refused
        the client, which leaves no gap, sends nothing more and says so.
        """
        n, half = len(made), len(made) // 2
        named = np.flatnonzero(np.isin(made.rows, list(hops))).tolist() if hops else []
        records = Records(made.frames, made.keys, np.full(n, -1, np.int32))
        done = 0
        for stop in sorted({half, n - 1, *named}) if n else ():
            self._put_all(records, done, stop)
            done = stop
            if stop == half:
                fault_point("forwarding")
            if stop == n - 1 or stop in named:
                self._produce_row(records, stop, hops.get(int(made.rows[stop])))
                done += 1

    def _put_all(self, records: Records, first: int, stop: int) -> None:
        while (first := self._put.put(records, first, stop)) < stop:
            self._produce_row(records, first, None)  # waits for room, or says why
            first += 1

    def _produce_row(self, records: Records, at: int, hop: Hop | None) -> None:
        frame, key, partition = records.row(at)
        self._produce((self._settings.output, frame, key, partition), hop)

    def send_dead_letters(
        self, intake: Intake, broken: list[tuple[int, str]], hops: dict[int, Hop]
    ) -> None:
        """Records that cannot be read, byte for byte, at the same partition number; none of a
        source that others keep.
        """
        letters = self._settings.dead_letters.get(intake.topic)
        if letters is None:
            return
        for row, reason in broken:
            partition, offset, value = (
                int(intake.partitions[row]),
                int(intake.offsets[row]),
                intake.values[row],
            )
            headers: Any = dead_letter_headers(intake.topic, partition, offset, reason, value)
            limit = min(self._settings.dead_letter_bytes, producer_bytes())
            key, value, headers = fitted(intake.keys[row], value, headers, limit)
            self._produce((letters, value, key, partition), hops.get(row), headers)
            log.warning(
                "cannot be read",
                topic=intake.topic,
                partition=partition,
                offset=offset,
                reason=reason,
            )

    def is_all_acknowledged(self) -> bool:
        """Wait until the broker has everything; False where some is still on its way after 10 s, or
        was refused.
        """
        if self.failure is not None:
            return False
        try:
            return not flushed(self._producer, _DRAIN_S) and self.failure is None
        except KafkaException as error:
            # caught here: the group calls us as well, from within the consumer
            self.fail(error)
            return False

    def _produce(
        self,
        record: tuple[str, bytes | None, bytes | None, int],
        hop: Hop | None,
        headers: Any = None,
    ) -> None:
        """`record`: topic, value, key and partition (-1: by the key). While there is no room the
        lane waits, and is seen.
        """
        named = [*(headers or []), *(header_of(hop.context) if hop is not None else [])]
        extra: Any = {"headers": named} if named else {}
        while self.failure is None:
            try:
                self._producer.produce(*record, on_delivery=self._on_delivered, **extra)
                return
            except BufferError:
                self._producer.poll(0.05)
                self._member.see()
        raise self.failure

    def _on_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failure = Fatal(
                what=f"a record was not delivered: {error.str()}",
                where=message.topic() or self._settings.output,
                do="restart the process",
            )
