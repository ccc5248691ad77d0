"""A peer: Quix Streams 3. It hands over one message at a time, so the model is called for each.
Runs in its own environment.
"""

import sys

import numpy as np
import onnxruntime as ort
from quixstreams import Application, message_context

from loadtests.peers.codec import reader, score_record, writer
from loadtests.peers.options import Options
from loadtests.peers.windows import Customer, decision, inputs


def main() -> None:
    given = Options.of(sys.argv[1:])
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    run = ort.InferenceSession(given.model, options, providers=["CPUExecutionProvider"]).run
    read, write = reader(), writer(given.score_schema_id)
    customers: dict[str, Customer] = {}
    last: dict[int, int] = {}
    app = Application(
        broker_address=given.kafka,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        commit_interval=1.0,
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 2, "fetch.wait.max.ms": 100},
        producer_extra_config={
            "enable.idempotence": True,
            "linger.ms": 0,
            "partitioner": "murmur2_random",
        },
    )
    source = app.topic(given.source, value_deserializer="bytes", key_deserializer="bytes")
    output = app.topic(given.output, value_serializer="bytes", key_serializer="bytes")

    def score(frame: bytes, _key: bytes, timestamp: int, _headers: object) -> bytes:
        transaction = read(frame)
        customer_id = transaction["customer_id"]
        customer = customers.get(customer_id)
        if customer is None:
            customer = customers[customer_id] = Customer()
        vector = inputs(transaction) + customer.add(
            transaction["occurred_at"], transaction["base_amount_minor"]
        )
        value = float(run(None, {"features": np.array([vector], np.float32)})[0][0, 1])
        context = message_context()
        partition, offset = context.partition, context.offset
        chosen = decision(value, given.review_from, given.block_from)
        record = score_record(
            transaction, offset, last.get(partition, -1), timestamp, vector, value, chosen
        )
        last[partition] = offset
        return write(record)

    app.dataframe(source).apply(score, metadata=True).to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
