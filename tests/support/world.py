"""The chain as a test sees it: send to it, and read what is new since the test began."""

import http.client
import json
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import TopicPartition

from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.accepted import SCORES, AcceptedScore
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import consumer, producer
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.workbench.local.chain import Chain
from tests.support.scores import accepted_scores

PARTITIONS = 4
DEADLINE_S = 120.0


class World:
    """`tag` makes ids of this test its own."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.kafka = chain.stack.kafka
        self.tag = uuid.uuid4().hex[:8]
        self.admin = TopicAdmin(self.kafka)
        self._starts = {
            topic: self.ends(topic)
            for topic in (
                "transactions.v1",
                SCORES,
                "alerts.v1",
                "answers.v1",
                "transactions.v1.dlq",
            )
        }
        self._producer = BulkProducer(self.kafka, "test")

    def close(self) -> None:
        self._producer.flush()

    def ends(self, topic: str) -> list[int]:
        return self.admin.end_offsets(topic, PARTITIONS)

    def send(self, rows: list[tuple[bytes | None, bytes | None]]) -> None:
        """(key, value) rows to transactions.v1; returns when the broker has them."""
        self._producer.send(
            "transactions.v1", [key for key, _ in rows], [value for _, value in rows]
        )
        self._producer.flush()

    def send_to(self, partition: int, key: bytes, value: bytes) -> None:
        """One record to a partition of the caller's choice, whatever its key hashes to."""
        plain = producer(self.kafka, "test")
        plain.produce("transactions.v1", value, key, partition)
        assert plain.flush(10) == 0

    def new(
        self, topic: str, count: int, wanted: Callable[[Record], bool] = lambda _: True
    ) -> list[Record]:
        """The first `count` new records of a topic that are wanted; AssertionError where they do
        not come in time.
        """
        out: list[Record] = []
        offsets = {(topic, number): at for number, at in enumerate(self._starts[topic])}
        end = time.monotonic() + DEADLINE_S
        with TopicReader(
            self.kafka, [topic], offsets=offsets, committed_only=topic == "alerts.v1"
        ) as reader:
            while len(out) < count:
                assert time.monotonic() < end, (
                    f"{len(out)} of {count} records of {topic} within {DEADLINE_S} s"
                )
                out += [record for record in reader.poll(0.1) if wanted(record)]
        return out

    def all_new(self, topic: str) -> list[Record]:
        """Everything new in a topic up to now."""
        offsets = {(topic, number): at for number, at in enumerate(self._starts[topic])}
        with TopicReader(
            self.kafka, [topic], offsets=offsets, committed_only=topic == "alerts.v1"
        ) as reader:
            return list(reader.until_end())

    def scores(self, count: int, wanted: Callable[[Score], bool] = lambda _: True) -> list[Score]:
        """The first `count` accepted new scores that are wanted."""
        return [each.score for each in self.accepted(count, wanted)]

    def accepted(
        self, count: int, wanted: Callable[[Score], bool] = lambda _: True
    ) -> list[AcceptedScore]:
        """The same, each with its record."""
        starts = {(SCORES, number): at for number, at in enumerate(self._starts[SCORES])}
        return accepted_scores(self.kafka, SCORES, count, wanted, starts, DEADLINE_S)

    def wait_for_tracker(self) -> None:
        """Return when the tracker has committed every score, with every state that it changed."""
        end = time.monotonic() + DEADLINE_S
        while any(self._written_to(number) < at for number, at in enumerate(self.ends(SCORES))):
            assert time.monotonic() < end, (
                f"the tracker has not written every state within {DEADLINE_S} s"
            )
            time.sleep(0.1)

    def _written_to(self, partition: int) -> int:
        """Up to which score the tracker's states are written, as its commit says; 0 where it has
        not committed.
        """
        client = consumer(self.kafka, "tracker")
        try:
            [found] = client.committed([TopicPartition(SCORES, partition)], timeout=10)
        finally:
            client.close()
        said = re.search(r"flushed=(\d+)", found.metadata or "")
        return int(said[1]) if said else 0

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, str, dict[str, Any]]:
        """(status, content type, JSON) of a POST to the gateway."""
        return self._ask("POST", path, body, {"Content-Type": "application/json", **headers})

    def get(self, path: str) -> tuple[int, str, Any]:
        return self._ask("GET", path, None, {})

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str, Any]:
        connection = http.client.HTTPConnection(
            urllib.parse.urlsplit(self.chain.gateway).netloc, timeout=30
        )
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
            return (
                answer.status,
                answer.headers.get("Content-Type", ""),
                json.loads(raw) if raw else None,
            )
        finally:
            connection.close()
