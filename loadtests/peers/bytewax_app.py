"""A peer: Bytewax, a Rust engine with steps in Python. A customer's windows are the state of its
key; the model is called for each batch that the engine hands over. Runs in its own environment.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import bytewax.operators as op
import numpy as np
import onnxruntime as ort
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from loadtests.peers.codec import reader, score_record, writer
from loadtests.peers.options import Options
from loadtests.peers.windows import Customer, decision, inputs

EPOCH = timedelta(seconds=10)
"""How often state is kept: the engine's default."""


class Seen(NamedTuple):
    """A transaction and where it stood: its offset, the one before it, and when it was appended."""

    transaction: dict[str, Any]
    key: bytes
    src: int
    prev: int
    appended_at: int


def add(customer: Customer | None, seen: Seen) -> tuple[Customer, tuple[Seen, list[float]]]:
    """The customer with this event, and the event with its features."""
    customer = customer or Customer()
    transaction = seen.transaction
    own = customer.add(transaction["occurred_at"], transaction["base_amount_minor"])
    return customer, (seen, inputs(transaction) + own)


def flow(given: Options) -> Dataflow:
    """From frames of transactions to frames of scores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    run = ort.InferenceSession(given.model, options, providers=["CPUExecutionProvider"]).run
    read, write = reader(), writer(given.score_schema_id)
    last: dict[int, int] = {}

    def take(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, Seen]:
        transaction = read(message.value)
        prev, last[message.partition] = last.get(message.partition, -1), message.offset
        seen = Seen(transaction, message.key, message.offset, prev, message.timestamp[1])
        return transaction["customer_id"], seen

    def score(
        batch: list[tuple[str, tuple[Seen, list[float]]]],
    ) -> list[KafkaSinkMessage[bytes, bytes]]:
        vectors = [vector for _, (_, vector) in batch]
        scores = run(None, {"features": np.array(vectors, np.float32)})[0][:, 1].tolist()
        out = []
        for (_, (seen, vector)), value in zip(batch, scores, strict=True):
            chosen = decision(value, given.review_from, given.block_from)
            record = score_record(
                seen.transaction, seen.src, seen.prev, seen.appended_at, vector, value, chosen
            )
            out.append(KafkaSinkMessage(seen.key, write(record)))
        return out

    source = KafkaSource(
        [given.kafka],
        [given.source],
        add_config={"fetch.queue.backoff.ms": "2", "fetch.wait.max.ms": "100"},
    )
    sink = KafkaSink(
        [given.kafka],
        given.output,
        add_config={
            "enable.idempotence": "true",
            "linger.ms": "0",
            "partitioner": "murmur2_random",
        },
    )
    out = Dataflow("scorer")
    transactions = op.map("take", op.input("in", out, source), take)
    vectors = op.stateful_map("windows", transactions, add)
    op.output("out", op.flat_map_batch("score", vectors, score), sink)
    return out


def main() -> None:
    given = Options.of(sys.argv[1:])
    folder = Path(given.state) / given.group
    folder.mkdir(parents=True)
    init_db_dir(folder, 1)
    cli_main(flow(given), epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(folder), None))


if __name__ == "__main__":
    main()
