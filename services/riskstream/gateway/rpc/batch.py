"""A TransactionBatch to frames, and what became of them to a ReceiptBatch. Pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskstream.domain.contracts.door import Fault
from riskstream.domain.contracts.json_text import Unreadable
from riskstream.domain.contracts.proto_rows import proto_rows_reader, receipts
from riskstream.gateway.auth.cards import may_hold_card_number
from riskstream.gateway.batch import Batch, RowsBatcher
from riskstream.gateway.core import FILLED
from riskstream.gateway.once.several import Many, Place
from riskstream.gateway.problem import Problem, busy, invalid
from riskstream.gateway.rates import Rates
from riskstream.gateway.rpc.messages import message_class
from riskstream.gateway.rpc.problems import problem_message
from riskstream.gateway.rpc.reading import read_transaction

_FEW = 4
"""Fewer transactions are read one by one: columns cost as much as so many."""
_TOLD_IN_FULL = 100
"""Refused transactions of one batch whose faults are all told."""


@dataclass(slots=True)
class RpcBatch:
    """A batch that was read; `problem` where it was refused as a whole."""

    sequence: int
    batch: Batch
    problem: Problem | None = None


class RpcBatchReader:
    """Reads messages, one at a time."""

    def __init__(self, rates: Rates) -> None:
        self._reader = proto_rows_reader(FILLED)
        fields, texts = self._reader.fields, self._reader.texts
        self._batcher = RowsBatcher(rates, fields, texts, read_transaction)

    def read(self, body: bytes, now_ms: int) -> RpcBatch:
        """The transactions of a batch, or why it is refused as a whole."""
        try:
            found = self._reader.read(body)
        except Unreadable as error:
            fault = Fault(path="$", code=error.code, detail=error.detail)
            return refused(sequence_of(body), invalid([fault]))
        if not len(found.rows):
            fault = Fault(path="$", code="empty-body", detail="the batch has no transaction")
            return refused(found.sequence, invalid([fault]))
        if len(found.rows) < _FEW:
            found.rows.is_plain[:] = False
        is_clean = not may_hold_card_number(found.texts)
        batch = self._batcher.batch(body, found.rows, now_ms, is_clean=is_clean)
        return RpcBatch(found.sequence, batch)


def refused(sequence: int, problem: Problem) -> RpcBatch:
    """A batch of which nothing is taken."""
    return RpcBatch(sequence, Batch([], [], [], {}, [], []), problem)


def sequence_of(body: bytes) -> int:
    """The number of a batch that cannot be read, where it stands first; else 0."""
    if body[:1] != b"\x08":
        return 0
    value = 0
    for place, byte in enumerate(body[1:11]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            value &= 2**64 - 1
            return value - 2**64 if value >= 2**63 else value
    return 0


def receipt_batch(found: RpcBatch, many: Many, counts: Counter[str]) -> bytes:
    """The reply to a batch. `many`: those with a frame, in their order; `counts` gets the problems
    by code.
    """
    out = message_class("ReceiptBatch")(sequence=found.sequence)
    if found.problem is not None:
        counts[found.problem.code] += 1
        out.problem.CopyFrom(problem_message(found.problem))
        return bytes(out.SerializeToString())
    n = len(found.batch)
    is_whole = len(many.found) == n and all(isinstance(each, tuple) for each in many.found)
    if is_whole and not many.again:
        out.accepted = n
        return bytes(out.SerializeToString()) + receipts(np.array(many.found, np.int64))
    left = enumerate(many.found)
    for at, frame in enumerate(found.batch.frames):
        if frame is None:
            _add(out, found.batch.problems[at], counts)
        else:
            number, each = next(left)
            _add(out, each, counts, is_replayed=number in many.again)
    out.accepted, out.refused = n - counts.total(), counts.total()
    return bytes(out.SerializeToString())


def _add(
    out: Any, found: Place | Problem | None, counts: Counter[str], *, is_replayed: bool = False
) -> None:
    receipt = out.receipts.add()
    if isinstance(found, tuple):
        receipt.partition, receipt.offset = found
        receipt.replayed = is_replayed
        return
    problem = found or busy("Kafka did not take it")
    counts[problem.code] += 1
    message = problem_message(problem)
    if counts.total() > _TOLD_IN_FULL:
        message.ClearField("errors")
    receipt.problem.CopyFrom(message)
