"""The floor: a loop that consumes and produces, and does nothing between."""

import sys
import time

from confluent_kafka import Message, Producer, TopicPartition

from loadtests.peers.options import Options
from riskstream.platform.kafka.clients.client import GAPLESS, consumer

BATCH = 2048


def main() -> None:
    given = Options.of(sys.argv[1:])
    source = consumer(given.kafka, given.group, **{"auto.offset.reset": "earliest"})
    producer = Producer({"bootstrap.servers": given.kafka, **GAPLESS})
    source.subscribe([given.source])
    payload = bytes(given.payload)
    produce = producer.produce
    committed = time.monotonic()
    last: dict[int, int] = {}
    while True:
        first = source.poll(0.05)
        if first is None:
            continue
        good = [each for each in [first, *source.consume(BATCH - 1, 0)] if each.error() is None]
        if not good:
            continue
        values = [payload] * len(good) if payload else list(map(Message.value, good))
        partitions = list(map(Message.partition, good))
        for value, key, partition in zip(values, map(Message.key, good), partitions, strict=True):
            while True:
                try:
                    produce(given.output, value, key, partition)  # type: ignore[arg-type]
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)
        for partition, offset in zip(partitions, map(Message.offset, good), strict=True):
            last[partition] = offset  # type: ignore[index,assignment]
        if time.monotonic() - committed > 1:
            committed = time.monotonic()
            source.commit(
                offsets=[TopicPartition(given.source, p, at + 1) for p, at in last.items()],
                asynchronous=True,
            )


if __name__ == "__main__":
    main()
