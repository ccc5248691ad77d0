"""The shuffle stage's core: transactions and labels in, a profile event for each entity out. Pure,
and the same every time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.contracts.joined import Joined
from riskstream.domain.risk import validity
from riskstream.domain.risk.features.declare import Entity
from riskstream.domain.risk.features.keys.key_kernel import hash_kernel, join_kernel
from riskstream.domain.risk.features.keys.key_slots import no_room
from riskstream.domain.risk.features.profiles.entity_profiles import EVENT, LABELLED
from riskstream.domain.risk.judge import Judge, Keys, LabelJudge
from riskstream.platform.kafka.lanes.ports import Forwarded, Intake

TRANSACTIONS, LABELS, EVENTS = "transactions.v1", "labels.v1", "profile-events.v1"
UNREADABLE = "unreadable"
LABEL_LETTERS = "labels.v1.dlq"


class ShuffleCore:
    """Makes profile events for some entities, each by its key's field in transaction.v1 and
    label.v1.

    `on_unkeyed` is told labels that reach no profile: the entity whose key they lack, and how many;
    `on_broken` those that cannot be read, where nobody gave it `on_unkeyed` as UNREADABLE.
    """

    def __init__(
        self,
        entities: tuple[Entity, ...],
        capacity: int,
        *,
        on_unkeyed: Callable[[str, int], Any] = lambda _, __: None,
        on_broken: Callable[[int], Any] | None = None,
        base_currency: str = "EUR",
    ) -> None:
        self._entities = entities
        self._on_unkeyed, self._on_broken = on_unkeyed, on_broken or partial(on_unkeyed, UNREADABLE)
        self._transactions, self._labels = (
            ColumnDecoder("transaction.v1"),
            ColumnDecoder("label.v1"),
        )
        self._judge = Judge(self._transactions.layout, base_currency)
        self._label_judge = LabelJudge(self._labels.layout, base_currency)
        self._encoder = ColumnEncoder("profile-event.v1", capacity=capacity, from_input=("key",))
        self.broken: list[tuple[int, str]] = []
        """(row, reason) of each record of the last intake that is no label. Transactions that are
        none are the scorer's.
        """

    def take(self, intake: Intake) -> Forwarded:
        """The profile events of some records; of one entity in the source's order.

        Rejected records have none, and corrections: a profile keeps what was said first, for its
        tiles cannot give it back. SchemaWait while the schema of a record is being asked for.
        """
        self.broken = []
        if intake.topic == TRANSACTIONS:
            columns = self._transactions.decode(intake.values)
            if (wait := columns.waits()) is not None:
                raise wait
            reject = self._judge.judge(columns, Keys.of(intake.keys), intake.appended_at)
            good = (
                (columns.status == 0) & (reject == validity.OK) & (columns.span("corrects")[1] == 0)
            )
            return self._events(intake, columns, good, EVENT)
        columns = self._labels.decode(intake.values)
        if (wait := columns.waits()) is not None:
            raise wait
        good = np.ones(len(columns), np.bool_)
        self.broken = self._label_judge.rejected(columns)
        if self.broken:
            good[[row for row, _ in self.broken]] = False
            self._on_broken(len(self.broken))
        return self._events(intake, columns, good & (columns.numbers("outcome") != 0), LABELLED)

    def _events(
        self, intake: Intake, columns: Columns, good: NDArray[np.bool_], kind: int
    ) -> Forwarded:
        hashes = transaction_hashes(columns)
        out: list[Forwarded] = []
        for index, entity in enumerate(self._entities):
            starts, lengths = columns.span(entity.key)
            rows = np.flatnonzero(good & (lengths > 0))
            if kind == LABELLED and len(rows) < good.sum():
                self._on_unkeyed(entity.name, int(good.sum()) - len(rows))
            if not len(rows):
                continue
            bank, n = self._encoder, len(rows)
            bank.set_word("entity", slice(0, n), entity.name)
            key_starts, key_lengths = bank.spans("key")
            key_starts[:n], key_lengths[:n] = starts[rows], lengths[rows]
            bank.numbers("kind")[:n] = kind
            bank.numbers("src_partition")[:n] = intake.partitions[rows]
            bank.numbers("src")[:n] = intake.offsets[rows]
            bank.numbers("src_index")[:n] = index
            bank.numbers("src_appended_at")[:n] = intake.appended_at[rows]
            bank.numbers("transaction_hash")[:n] = hashes[rows]
            bank.numbers("occurred_at")[:n] = columns.numbers("occurred_at")[rows]
            if kind == EVENT:
                bank.numbers("amount_minor")[:n] = columns.numbers("base_amount_minor")[rows]
                bank.numbers("outcome")[:n] = bank.numbers("source")[:n] = 0
                bank.numbers("transaction_kind")[:n] = columns.numbers("kind")[rows]
                bank.nulls("known_at")[:n] = 1
            else:
                bank.numbers("amount_minor")[:n] = bank.numbers("transaction_kind")[:n] = 0
                bank.nulls("known_at")[:n] = 0
                for name in ("outcome", "source", "known_at"):
                    bank.numbers(name)[:n] = columns.numbers(name)[rows]
            keys = _texts(columns, entity.key, rows)
            out.append(Forwarded(keys, bank.encode(n, columns.data), rows))
        return Forwarded(
            Joined.chained([each.keys for each in out]),
            Joined.chained([each.frames for each in out]),
            np.concatenate([np.zeros(0, np.int64), *(each.rows for each in out)]),
        )


def _texts(columns: Columns, name: str, rows: NDArray[np.int64]) -> Joined:
    """The values of a text field of some records."""
    starts, lengths = columns.span(name)
    ends = np.cumsum(lengths[rows], dtype=np.int64)
    out = np.empty(int(ends[-1]), np.uint8)
    if not join_kernel(columns.data, starts, lengths, rows, out):
        raise no_room("keys of", len(rows), "ShuffleCore")
    return Joined(out, ends, np.zeros(len(rows), np.uint8))


def transaction_hashes(columns: Columns) -> NDArray[np.int64]:
    """A hash of customer and transaction: by it a label finds what it speaks of, and a repeat is
    told.
    """
    parts = []
    for name in ("customer_id", "transaction_id"):
        out = np.empty(len(columns), np.uint64)
        hash_kernel(columns.data, *columns.span(name), out)
        parts.append(out)
    mixed: NDArray[np.int64] = (parts[0] * np.uint64(0x9E3779B97F4A7C15) ^ parts[1]).view(np.int64)
    return mixed
