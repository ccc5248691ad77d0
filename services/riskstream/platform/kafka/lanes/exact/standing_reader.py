"""Reads where a partition stands from the topics and the group: ends, offsets, the output's tail
(A2-A4). It writes nothing.
"""

import re
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from riskstream.platform.kafka.clients.client import admin_client, raise_if_error
from riskstream.platform.kafka.clients.giants import end_of, is_giant
from riskstream.platform.kafka.clients.identity import identity_of
from riskstream.platform.kafka.clients.starts import is_expired, watermarks
from riskstream.platform.kafka.lanes.exact.output_tail import OutputTail
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.exact.standing import Standing
from riskstream.platform.kafka.lanes.ports import AnswerReader, Mark
from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import monotonic, now_ms

EMPTY = re.compile(r"empty=\d+-(\d+)")
"""Metadata of a commit behind which, up to the number, the source has markers of transactions
only.
"""
_ENDS_S = 10
_FIRST_RECORD_S = 2.0


class StandingReader:
    """Reads standings of one lane's partitions, each with a client that is given."""

    def __init__(self, route: Route, answers: AnswerReader) -> None:
        self._bootstrap, self._source, self._output = route.kafka, route.source, route.output
        self._tail = OutputTail(route.kafka, route.output, answers, route.client)
        self._admin = admin_client(route.kafka)
        self._begun = 0

    @property
    def steps(self) -> int:
        """Grows with each standing that is begun, and each piece of an output's tail."""
        return self._begun + self._tail.steps

    def identity(self) -> tuple[str, int]:
        """(ids and partition counts of both topics as one text, the source's partition count)."""
        return identity_of(self._admin, self._source, self._output)

    def read(
        self, client: Any, partition: int, identity: str, mark: Mark | None, row_ahead: int = -1
    ) -> Standing:
        """A2 to A4: ends and the group's offset beside the store's watermark `mark`, then the
        output's tail. Hold where the topics contradict the watermark.
        """
        self._begun += 1
        # first: the answers to what is committed stand before the output's end
        committed, empty_to = self._committed(client, partition)
        output_low, output_high = watermarks(client, self._output, partition, _ENDS_S)
        # last: what was answered stands before it
        source_low, source_high = watermarks(client, self._source, partition, _ENDS_S)
        found = Standing(
            mark=mark,
            identity=identity,
            source_low=source_low,
            source_high=source_high,
            output_low=output_low,
            output_high=output_high,
            committed=committed,
            empty_to=empty_to,
            verdicts=self._tail.empty(),
            row_ahead=row_ahead,
        )
        found.refuse_guessing()
        start = max(mark.output_offset if mark else 0, output_low)
        found = replace(found, verdicts=self._tail.read(client, partition, found, start))
        found.refuse_guessing()
        return found

    def _committed(self, client: Any, partition: int) -> tuple[int, int]:
        """The group's offset, 0 where there is none; and up to where the owner before saw no record
        behind it, else 0.
        """
        [found] = client.committed([TopicPartition(self._source, partition)], timeout=10)
        told = EMPTY.fullmatch(found.metadata or "")
        return max(int(found.offset), 0), int(told[1]) if told else 0

    def appended_at(self, client: Any, partition: int, first: int, end: int) -> int:
        """When the first record from source offset `first` on was appended, ms; now, where there is
        none before the `end` yet.
        """
        if first >= end:
            return now_ms()
        client.assign([TopicPartition(self._source, partition, first)])
        until = monotonic() + _FIRST_RECORD_S
        while monotonic() < until:
            for message in client.consume(1, 0.2):
                if message.error() is None:
                    return int(message.timestamp()[1])
                if is_expired(message.error()):
                    raise Retryable(
                        what=f"records of {self._source} expired meanwhile",
                        where=f"partition {partition}",
                    )
                if is_giant(message.error()):
                    behind = end_of(self._bootstrap, self._source, partition, message.offset())
                    client.assign([TopicPartition(self._source, partition, behind)])
                    break
                if message.error().code() == KafkaError._PARTITION_EOF:
                    until = 0.0  # markers of transactions alone stand there
                else:
                    raise_if_error(message.error(), f"{self._source}[{partition}]")
        return now_ms()
