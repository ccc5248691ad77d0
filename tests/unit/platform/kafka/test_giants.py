"""A batch that decompresses to too much is counted once, when it has been left behind."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry, Counter

from riskstream.platform.kafka.clients import giants
from riskstream.platform.kafka.clients.giants import Giants
from riskstream.runtime.errors import Retryable


class Client:
    """A consumer that refuses its first seeks."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.at: list[int] = []

    def seek(self, place: TopicPartition) -> None:
        if self.refuses:
            self.refuses -= 1
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.at.append(place.offset)


def test_it_is_counted_once_however_often_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [True]

    def end_of(_kafka: str, topic: str, _partition: int, first: int) -> int:
        if away:
            away.pop()
            raise Retryable(what="Kafka does not answer", where=topic)
        return first + 3

    monkeypatch.setattr(giants, "end_of", end_of)
    counter, client = Counter("giants", "Giants", registry=CollectorRegistry()), Client(refuses=1)
    there: Any = client
    found = Giants(there, "", counter)
    found.go_on_behind("t", 1, 4)
    found.go_on_behind("t", 1, 4)
    assert counter._value.get() == 0, "Kafka is away, then the seek is refused"
    found.go_on_behind("t", 1, 4)
    found.go_on_behind("t", 1, 4)
    assert (counter._value.get(), client.at) == (1, [7, 7]), (
        "told again, it is left behind again and not counted again"
    )
    found.go_on_behind("t", 1, 7)
    found.go_on_behind("t", 0, 4)
    assert counter._value.get() == 3
