"""A peer: Pathway, a Rust engine of incremental tables with functions in Python. A customer's
windows are a stateful reducer, which answers a minibatch at once; the model is called for each
batch. Runs in its own environment.
"""

import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
import pathway as pw

from loadtests.peers.codec import reader, score_record, writer
from loadtests.peers.options import Options
from loadtests.peers.windows import Customer, decision, inputs

BATCH = 2048
COMMIT_MS, IN_WORK = 100, 8192
"""How long the engine gathers a minibatch, and the most records that it has in work."""

Answer: TypeAlias = tuple[int, bytes, int, np.ndarray[Any, np.dtype[np.float64]]]
"""Offset, frame, when it was appended, features."""


class History:
    """A customer, and the answers to the last minibatch alone, in order of offset."""

    __slots__ = ("answers", "customer")

    def __init__(self, customer: Customer, answers: list[Answer]) -> None:
        self.customer, self.answers = customer, answers


def flow(given: Options) -> None:
    """From frames of transactions to frames of scores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    run = ort.InferenceSession(given.model, options, providers=["CPUExecutionProvider"]).run
    read, write = reader(), writer(given.score_schema_id)

    @pw.reducers.stateful_many  # type: ignore[untyped-decorator]
    def windows(
        state: pw.PyObjectWrapper | None,
        rows: list[tuple[list[Any], int]],
    ) -> pw.PyObjectWrapper:
        customer = Customer() if state is None else state.value.customer
        answers = []
        # rows of a minibatch come in no order
        for offset, frame, appended_at in sorted(row for row, _ in rows):
            transaction = read(frame)
            own = customer.add(transaction["occurred_at"], transaction["base_amount_minor"])
            answers.append((offset, frame, appended_at, np.array(inputs(transaction) + own)))
        return pw.wrap_py_object(History(customer, answers))

    @pw.udf(deterministic=True)  # type: ignore[untyped-decorator]
    def answers_of(history: pw.PyObjectWrapper) -> list[Answer]:
        return history.value.answers  # type: ignore[no-any-return]

    @pw.udf(deterministic=True, max_batch_size=BATCH)  # type: ignore[untyped-decorator]
    def score(answers: list[Answer]) -> list[bytes]:
        vectors = np.array([vector for *_, vector in answers], np.float32)
        scores = run(None, {"features": vectors})[0][:, 1].tolist()
        out = []
        for (offset, frame, appended_at, vector), value in zip(answers, scores, strict=True):
            chosen = decision(value, given.review_from, given.block_from)
            # a minibatch has no order in which the offset before could be kept
            record = score_record(
                read(frame), offset, offset - 1, appended_at, vector.tolist(), value, chosen
            )
            out.append(write(record))
        return out

    settings = {"bootstrap.servers": given.kafka}
    messages = pw.io.kafka.read(
        {**settings, "group.id": given.group, "auto.offset.reset": "earliest"},
        topic=given.source,
        format="raw",
        with_metadata=True,
        autogenerate_key=True,
        autocommit_duration_ms=COMMIT_MS,
        max_backlog_size=IN_WORK,
    )
    histories = messages.groupby(pw.this.key).reduce(
        pw.this.key,
        history=windows(
            pw.this._metadata["offset"].as_int(),
            pw.this.data,
            pw.this._metadata["timestamp_millis"].as_int(),
        ),
    )
    answers = histories.select(pw.this.key, answer=answers_of(pw.this.history))
    each = answers.flatten(pw.this.answer).to_stream().filter(pw.this.is_upsert)
    scores = each.select(pw.this.key, src=pw.this.answer[0], frame=score(pw.this.answer))
    pw.io.kafka.write(
        scores,
        {
            **settings,
            "enable.idempotence": "true",
            "linger.ms": "0",
            "partitioner": "murmur2_random",
        },
        given.output,
        format="raw",
        key=scores.key,
        value=scores.frame,
        headers=[scores.src],  # it sorts by what is in the message alone
        sort_by=[scores.src],
    )


def main() -> None:
    given = Options.of(sys.argv[1:])
    flow(given)
    folder = Path(given.state) / given.group
    backend = pw.persistence.Backend.filesystem(folder)
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(backend),
    )


if __name__ == "__main__":
    main()
