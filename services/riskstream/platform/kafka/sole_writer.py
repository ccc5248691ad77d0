"""One writer at a time of what several people change: who begins later takes the place of who has
not committed yet.

By Kafka's own fencing of transactional ids. Read after `begin`, then `commit`: nobody else
committed in between.
"""

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message

from riskstream.domain.contracts.catalog import topic as declared
from riskstream.platform.kafka.clients.client import producer_of, producing, translated
from riskstream.platform.kafka.clients.limits import producer_bytes, record_bytes
from riskstream.platform.kafka.clients.refusals import FENCED
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

_DEADLINE_S = 30.0


class Overtaken(Retryable):
    """Somebody else began meanwhile: nothing was written."""


class SoleWriter:
    """Writes records of a topic all at once or not at all. `name` is the transactional id that all
    writers share.
    """

    def __init__(self, bootstrap: str, topic: str, name: str) -> None:
        self._topic = topic
        self._client = producer_of(
            {
                **producing(bootstrap, name),
                "transactional.id": name,
                "transaction.timeout.ms": int(2000 * _DEADLINE_S),
                "partitioner": "murmur2_random",
                "message.max.bytes": max(declared(topic).max_bytes, producer_bytes()),
                "linger.ms": 0,
            }
        )
        self.appended_at = 0
        """When the broker appended the last record, ms since 1970 UTC; 0 where it did not tell."""

    def __enter__(self) -> Self:
        try:
            self._client.init_transactions(_DEADLINE_S)
        except KafkaException as error:
            raise translated(error, self._topic) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing that was not committed is ever seen: the broker gives it up."""

    def commit(self, records: Sequence[tuple[bytes, bytes | None]], topic: str = "") -> None:
        """Write these (key, value), to another topic where one is named.

        Overtaken where somebody else came first, Fatal where a record is refused.
        """
        topic = topic or self._topic
        limit = declared(topic).max_bytes
        for key, value in records:
            size = record_bytes(key, value or b"", [])
            if size > limit:
                raise Fatal(
                    what=f"a record of {size:,} bytes does not fit: {limit:,} at most",
                    where=topic,
                    do="make it smaller",
                    exit_code=Exit.INPUT,
                )
        try:
            self._client.begin_transaction()
            for key, value in records:
                self._client.produce(topic, value, key, on_delivery=self._on_delivered)
            self._client.commit_transaction(2 * _DEADLINE_S)
        except KafkaException as error:
            inner = error.args[0]
            if inner.code() in FENCED:
                raise Overtaken(
                    what=f"somebody else changed {topic} meanwhile", where=topic
                ) from error
            if inner.txn_requires_abort():
                # brokers that are away: who begins next has it given up
                with suppress(KafkaException):
                    self._client.abort_transaction(_DEADLINE_S)
            raise translated(error, topic) from error

    def _on_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.appended_at = max(self.appended_at, message.timestamp()[1])
