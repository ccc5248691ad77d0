"""A Kafka in memory with what makes its clients."""

from typing import Any, cast

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from riskstream.platform.kafka.memory.admin import MemoryAdmin
from riskstream.platform.kafka.memory.broker import MemoryBroker
from riskstream.platform.kafka.memory.consumer import MemoryConsumer
from riskstream.platform.kafka.memory.network import Network
from riskstream.platform.kafka.memory.producer import MemoryProducer


class MemoryKafka(MemoryBroker):
    """The clients are made by `consumer`, `producer` and `admin`, as `Clients` of
    `kafka/clients/client.py` says. `producers`: those that were made.
    """

    def __init__(self, network: Network | None = None, cluster_id: str = "memory") -> None:
        super().__init__(network, cluster_id)
        self.producers: list[MemoryProducer] = []

    def consumer(self, settings: dict[str, Any]) -> Consumer:
        return cast(Consumer, MemoryConsumer(self, settings))

    def producer(self, settings: dict[str, Any]) -> Producer:
        made = MemoryProducer(self, settings)
        self.producers.append(made)
        return cast(Producer, made)

    def admin(self, settings: dict[str, Any]) -> AdminClient:
        return cast(AdminClient, MemoryAdmin(self, settings))
