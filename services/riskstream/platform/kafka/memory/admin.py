"""The admin client of a log in memory: what our lanes ask of topics."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.errors import error
from riskstream.platform.kafka.memory.log import Refused

_EARLIEST = -2


class MemoryAdmin:
    """Answers are there when a call returns."""

    def __init__(self, broker: MemoryBroker, settings: dict[str, Any]) -> None:
        del settings
        self._broker = broker

    def poll(self, timeout: float = -1) -> int:  # noqa: ARG002
        return 0

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:  # noqa: ARG002
        topics = {
            name: SimpleNamespace(topic=name, partitions=dict.fromkeys(range(count)))
            for name, count in self._broker.counts.items()
        }
        return SimpleNamespace(topics=topics, brokers={1: None}, cluster_id=self._broker.cluster_id)

    def describe_topics(self, topics: TopicCollection, **_: Any) -> dict[str, "Future[Any]"]:
        self._broker.network.call("describe")
        return {
            name: self._answered(lambda name=name: self._described(name))
            for name in topics.topic_names
        }

    def _described(self, name: str) -> Any:
        self._broker.log(name, 0)
        held = self._broker.topics[name]
        return SimpleNamespace(topic_id=held.id, partitions=held.partitions)

    def list_offsets(
        self, asked: dict[TopicPartition, Any], **_: Any
    ) -> dict[TopicPartition, "Future[Any]"]:
        """First or end offsets, whatever is committed."""
        self._broker.network.call("offsets")
        return {
            where: self._answered(lambda where=where, spec=spec: self._offset(where, spec))
            for where, spec in asked.items()
        }

    def _offset(self, where: TopicPartition, spec: Any) -> Any:
        log = self._broker.log(where.topic, where.partition)
        return SimpleNamespace(offset=log.low if spec._value == _EARLIEST else log.end)

    def _answered(self, ask: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(ask())
        except Refused as refused:
            future.set_exception(KafkaException(refused.error))
        except KeyError as missing:
            future.set_exception(
                KafkaException(error(KafkaError.UNKNOWN_TOPIC_OR_PART, str(missing)))
            )
        return future
