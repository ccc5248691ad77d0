"""A peer: a plain confluent-kafka loop with fastavro, lists as windows and one ONNX Runtime call a
batch; at least once.
"""

import sys
import time
from typing import Any

import numpy as np
import onnxruntime as ort
from confluent_kafka import Consumer, Producer, TopicPartition

from loadtests.peers.codec import reader, score_record, writer
from loadtests.peers.options import Options
from loadtests.peers.windows import Customer, decision, inputs

BATCH = 2048


def session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main() -> None:
    given = Options.of(sys.argv[1:])
    model = session(given.model)
    read, write = reader(), writer(given.score_schema_id)
    customers: dict[str, Customer] = {}
    consumer = Consumer(
        {
            "bootstrap.servers": given.kafka,
            "group.id": given.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 2,
            "fetch.wait.max.ms": 100,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": given.kafka,
            "enable.idempotence": True,
            "linger.ms": 0,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 200_000,
        }
    )
    consumer.subscribe([given.source])
    committed = time.monotonic()
    last: dict[int, int] = {}
    while True:
        first = consumer.poll(0.05)
        if first is None:
            continue
        good = [each for each in [first, *consumer.consume(BATCH - 1, 0)] if each.error() is None]
        transactions: list[dict[str, Any]] = []
        vectors = []
        for message in good:
            transaction = read(message.value())  # type: ignore[arg-type]
            customer_id = transaction["customer_id"]
            customer = customers.get(customer_id)
            if customer is None:
                customer = customers[customer_id] = Customer()
            transactions.append(transaction)
            vectors.append(
                inputs(transaction)
                + customer.add(transaction["occurred_at"], transaction["base_amount_minor"])
            )
        if not good:
            continue
        scores = model.run(None, {"features": np.array(vectors, np.float32)})[0][:, 1].tolist()
        for message, transaction, vector, score in zip(
            good, transactions, vectors, scores, strict=True
        ):
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            frame = write(
                score_record(
                    transaction,
                    offset,
                    last.get(partition, -1),
                    message.timestamp()[1],
                    vector,
                    score,
                    decision(score, given.review_from, given.block_from),
                )
            )
            last[partition] = offset
            while True:
                try:
                    producer.produce(given.output, frame, message.key(), partition)
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)
        if time.monotonic() - committed > 1:
            committed = time.monotonic()
            producer.flush()
            consumer.commit(
                offsets=[
                    TopicPartition(given.source, partition, at + 1)
                    for partition, at in last.items()
                ],
                asynchronous=True,
            )


if __name__ == "__main__":
    main()
