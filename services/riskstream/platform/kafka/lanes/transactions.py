"""The producer of a derived lane: outputs and offsets in one Kafka transaction, aborted where the
broker refuses a part.
"""

from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import numpy as np
import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import Gauge

from riskstream.platform.kafka.clients.client import producer_of, producing, translated
from riskstream.platform.kafka.clients.native.choice import put_of
from riskstream.platform.kafka.clients.put import Put, Records
from riskstream.platform.kafka.clients.refusals import ADVICE, FENCED
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.record import Made, Output, OutputRows
from riskstream.platform.kafka.traced import header_of
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.faults import fault_point
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("derived")
PATIENCE_S, LAST_PATIENCE_S = 600.0, 30.0
"""How long a step waits for a broker that does not answer: while the process runs, and once it is
to end. A client that is stuck for good, while brokers answer others, ends so too; whoever runs the
process starts it again.
"""


class Transactions:
    """One at a time. A second process of the same group and instance fences this one, which then
    ends.
    """

    def __init__(self, settings: DerivedSettings, stop: Event, native: Gauge) -> None:
        """`native`: as `put_of` shows it."""
        kafka, group, instance = settings.kafka, settings.group, settings.instance
        self._group, self._instance, self._stop = group, instance, stop
        self._way, self._native = settings.client, native
        self._puts: dict[str, Put] = {}
        self.failure: Fatal | None = None
        """Set where the client says that it cannot go on."""
        self.waited_at = monotonic()
        """When it last waited for the broker: the lane is alive then."""
        self.is_under_way = False
        """From the begin of a transaction to its commit, and while one is aborted: for the
        watchdog, from its thread.
        """
        self._producer = producer_of(
            {
                **producing(kafka, group),
                "transactional.id": f"{group}-{instance}",
                "transaction.timeout.ms": 10_000,
                # else each transaction waits about 100 ms on CONCURRENT_TRANSACTIONS
                "retry.backoff.ms": 5,
                "linger.ms": 0,
                "partitioner": "murmur2_random",
                "error_cb": self._on_client_error,
            }
        )
        try:
            self._producer.init_transactions(30)
        except KafkaException as error:
            raise translated(error, kafka) from error

    def write(self, outputs: Sequence[Made], offsets: list[TopicPartition], group: object) -> None:
        """1 outputs, 2 the source's offsets with metadata, 3 commit. KafkaException where a step
        failed: `abort` then.
        """
        self.waited_at, self.is_under_way = monotonic(), True
        try:
            self._producer.begin_transaction()
            for each in outputs:
                if isinstance(each, Output):
                    self._produce(each)
                else:
                    self._produce_rows(each)
            fault_point("begun")
            self._patiently(self._producer.send_offsets_to_transaction, offsets, group, 10)
            fault_point("sent")
            self._patiently(self._producer.commit_transaction, 15)
            fault_point("transacted")
        finally:
            self.is_under_way = False

    def abort(self, error: KafkaException) -> None:
        """A transaction failed: aborted, it never was. Fatal where the process must end: fenced, or
        a record no broker takes.
        """
        inner = error.args[0]
        log.error(
            "transaction failed",
            error=inner.str(),
            abortable=inner.txn_requires_abort(),
            fatal=inner.fatal(),
        )
        if inner.fatal():
            raise self._ended_by(inner) from error
        self.waited_at, self.is_under_way = monotonic(), True
        try:
            self._patiently(self._producer.abort_transaction, 10)
        except KafkaException as second:
            problem = second.args[0]
            if problem.fatal():
                raise self._ended_by(problem) from second
            raise Retryable(
                what=f"a transaction cannot be aborted: {problem.str()}", where=self._group
            ) from second
        finally:
            self.is_under_way = False
        if inner.txn_requires_abort():
            return
        problem_of_ours = translated(inner, self._group)
        if isinstance(problem_of_ours, Fatal):
            raise problem_of_ours from error  # it comes again each time

    def _produce(self, output: Output) -> None:
        extra: Any = {"headers": header_of(output.trace)} if output.trace is not None else {}
        while True:
            try:
                self._producer.produce(
                    output.topic, output.value, output.key, output.partition, **extra
                )
                return
            except BufferError:
                self._producer.poll(0.02)
                self.waited_at = monotonic()

    def _produce_rows(self, rows: OutputRows) -> None:
        """Many of one topic and partition, in order; what the put does not take is produced alone,
        which waits for room or says why.
        """
        put = self._puts.get(rows.topic)
        if put is None:
            put = put_of(self._producer, rows.topic, self._way, self._native)
            self._puts[rows.topic] = put
        n = len(rows)
        records = Records(rows.values, rows.keys, np.full(n, rows.partition, np.int32))
        at = 0
        while (at := put.put(records, at, n)) < n:
            frame, key, partition = records.row(at)
            self._produce(
                Output(topic=rows.topic, partition=partition, key=key or b"", value=frame or b"")
            )
            at += 1

    def close(self) -> None:
        """Give back what is held of the client; nothing is written any more."""
        for each in self._puts.values():
            each.close()
        self._puts.clear()

    def _patiently(self, call: Callable[..., Any], *arguments: Any) -> None:
        """A step of a transaction; again where the broker did not answer in time, for the outcome
        is not known else.
        """
        since, stopping_since = monotonic(), None
        while True:
            try:
                call(*arguments)
                return
            except KafkaException as error:
                now = monotonic()
                if self._stop.is_set() and stopping_since is None:
                    stopping_since = now
                is_over = stopping_since is not None and now - stopping_since >= LAST_PATIENCE_S
                if not error.args[0].retriable() or is_over or now - since >= PATIENCE_S:
                    raise
                self.waited_at = now

    def _on_client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.failure = self._ended_by(error)

    def _ended_by(self, error: KafkaError) -> Fatal:
        """What to say where the producer cannot go on."""
        if error.code() in FENCED:
            what = (
                f"another process runs as instance {self._instance}, or this one stood still "
                "for too long"
            )
            return Fatal(what=what, where=self._group, do=ADVICE[error.code()])
        return Fatal(what=f"producer failed: {error.str()}", where=self._group, do="restart")
