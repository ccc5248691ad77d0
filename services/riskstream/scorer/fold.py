"""The fold: what the scorer's state is, and how a micro-batch moves it forward. Pure.

`prepare` decodes and judges a batch, finds its customers and says whose rows are to be read.
`apply` takes these rows and applies the batch: windows, repeats, corrections. No model is needed
for either.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.columns import ColumnDecoder, Columns
from riskstream.domain.contracts.writers import SchemaWait, find
from riskstream.domain.risk import validity
from riskstream.domain.risk.bodies import Bodies
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.keys.key_kernel import KNOWN, UNKNOWN, hash_kernel
from riskstream.domain.risk.features.owned.events import NO_IDS, NOT_KNOWN, Events
from riskstream.domain.risk.features.owned.input_kernel import input_kernel
from riskstream.domain.risk.features.owned.repeats import Told
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.judge import Judge, Keys
from riskstream.platform.kafka.lanes.ports import (
    JUDGE,
    LIVE,
    REPLAY,
    REPLAY_DUPLICATE,
    SKIP,
    Batch,
    ReadResult,
)
from riskstream.scorer.corrections import hashes_of_originals

VERDICT_GOOD, VERDICT_REJECTED, VERDICT_DUPLICATE = 1, 2, 3


@dataclass(slots=True, kw_only=True)
class Judged:
    """A micro-batch of n records that was decoded and judged; nothing of it is applied yet.

    `reject`: as `validity.REASONS`. `is_good`: it may be applied. `slots`: of each good record its
    customer's, else -1. `rows`: by partition the keys of customers that are not in memory, `fresh`
    their slots in the same order.
    """

    batch: Batch
    columns: Columns
    keys: Keys
    reject: NDArray[np.uint8]
    is_good: NDArray[np.bool_]
    slots: NDArray[np.int32]
    fresh: dict[int, NDArray[np.int32]]
    rows: dict[int, list[bytes]]


@dataclass(slots=True, kw_only=True)
class Applied:
    """A micro-batch of n records after it was applied.

    `live`: records that are answered now, `scored` those of them that are not rejected. `ids`:
    hashes of the transactions' ids. `vectors`: inputs and windows of the applied records.
    `is_cold`: the customer's row could not be read. `abandoned`, `ahead`: as `Outcome`.
    """

    live: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    slots: NDArray[np.int32]
    verdicts: NDArray[np.uint8]
    ids: NDArray[np.uint64]
    told: Told
    vectors: NDArray[np.float32]
    is_cold: NDArray[np.bool_]
    abandoned: frozenset[int]
    ahead: dict[int, int]


class Fold:
    """Holds the rows of owned customers (`table`). Each `prepare` is followed by its `apply` before
    the next one.
    """

    def __init__(self, features: FeatureSet, base_currency: str) -> None:
        self.table = KeyTable(features)
        self._width = len(features.names)
        self._decoder = ColumnDecoder("transaction.v1")
        self._judge = Judge(self._decoder.layout, base_currency)
        self._bodies = Bodies(self._decoder.layout)
        self._input_program = np.array([int(each.input) for each in features.inputs], np.int32)

    def prepare(self, batch: Batch) -> Judged:
        """Decode, judge, find the customers (B2). SchemaWait where a record's schema is being asked
        for: nothing was changed.
        """
        columns, is_replay = self._decoder.decode(batch.values), batch.modes.any()  # LIVE is 0
        if columns.wanted and (wait := columns.waits(batch.modes != SKIP)) is not None:
            raise wait
        if is_replay:
            _refuse_to_forget(batch, columns)
        keys = Keys.of(batch.keys)
        reject = self._judge.judge(columns, keys, batch.appended_at)
        is_good = reject == validity.OK
        if is_replay:  # what was answered before is as the answer says
            is_good |= (batch.modes != LIVE) & (batch.modes != JUDGE)
            is_good &= batch.modes != SKIP
        is_good &= columns.status == 0
        slots, fresh = self._find(batch, columns, is_good)
        keys_of = self.table.keys
        return Judged(
            batch=batch,
            columns=columns,
            keys=keys,
            reject=reject,
            is_good=is_good,
            slots=slots,
            fresh=fresh,
            rows={partition: keys_of(mine) for partition, mine in fresh.items()},
        )

    def apply(
        self, judged: Judged, rows: ReadResult, out: NDArray[np.float32] | None = None
    ) -> Applied:
        """Per record verdict, features, then state (B3). `rows`: what was read of `judged.rows`.

        Vectors go into `out`, records whose id was used before with another body into
        `judged.reject`.
        """
        batch, n = judged.batch, len(judged.is_good)
        self._load(judged.fresh, rows)
        live = batch.modes == LIVE
        abandoned, ahead = self._abandoned(judged, live, rows.abandoned)
        modes = np.where(judged.is_good, batch.modes, np.uint8(SKIP))
        if abandoned:
            is_left = np.isin(batch.partitions, list(abandoned))
            modes[is_left] = SKIP
            live &= ~is_left
        verdicts = np.full(n, VERDICT_REJECTED, np.uint8)
        vectors = np.zeros((n, self._width), np.float32) if out is None else out[:n]
        ids, told = self._move(judged, modes, verdicts, vectors)
        judged.reject[told.conflicts] = validity.ID_REUSED
        return Applied(
            live=live,
            scored=live & (modes == LIVE),
            slots=judged.slots,
            verdicts=verdicts,
            ids=ids,
            told=told,
            vectors=vectors,
            is_cold=self.table.statuses[judged.slots] == UNKNOWN,
            abandoned=abandoned,
            ahead=ahead,
        )

    def remember(
        self, applied: Applied, rows: NDArray[np.int64], answers: NDArray[np.int64]
    ) -> None:
        """Note what these rows of the batch were answered: their repeats are told it again."""
        self.table.repeats.answer(rows, applied.slots, applied.told, answers)

    def reason(self, judged: Judged, index: int) -> str:
        """The word for why a record was rejected."""
        return self._judge.reason(judged.columns, judged.reject, index)

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]:
        """(key, row) of each customer that changed since the last call."""
        slots = self.table.changed_slots(partition)
        self.table.changed[slots] = 0
        return list(zip(self.table.keys(slots), self.table.pack(slots), strict=True))

    def take_all(self, partition: int) -> list[tuple[bytes, bytes]]:
        """(key, row) of each customer of a partition."""
        self.table.changed[self.table.partitions == partition] = 1
        return self.take_changed(partition)

    def drop(self, partition: int) -> None:
        self.table.drop(partition)

    def _find(
        self, batch: Batch, columns: Columns, is_good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], dict[int, NDArray[np.int32]]]:
        """Slot of each good record; by partition the slots that are new, whose rows are to be
        read.
        """
        starts, lengths = columns.span("customer_id")
        slots, fresh = self.table.resolve(
            columns.data, starts, lengths, batch.partitions, is_good.view(np.uint8)
        )
        if not len(fresh):
            return slots, {}
        numbers = self.table.partitions[fresh]
        return slots, {each: fresh[numbers == each] for each in np.unique(numbers).tolist()}

    def _load(self, fresh: dict[int, NDArray[np.int32]], found: ReadResult) -> None:
        """The rows that were read into their slots; a row that could not be read is unknown, not
        new (W1).
        """
        for partition, mine in fresh.items():
            rows = found.rows.get(partition)
            self.table.statuses[mine] = UNKNOWN if rows is None else KNOWN
            if rows is None:
                continue
            for slot, row in zip(mine.tolist(), rows, strict=True):
                if row is not None:
                    self.table.load(slot, row)

    def _abandoned(
        self, judged: Judged, live: NDArray[np.bool_], abandoned: frozenset[int]
    ) -> tuple[frozenset[int], dict[int, int]]:
        """Partitions to be taken up anew, and of those with a row at or past its live record how
        far that one is (B3).
        """
        batch, slots, ats = judged.batch, judged.slots, self.table.ats
        ahead = judged.is_good & live & (ats[slots] >= batch.offsets)
        if not ahead.any():
            return abandoned, {}
        found = np.unique(batch.partitions[ahead]).tolist()  # another owner is ahead
        furthest = {
            each: int(ats[slots[ahead & (batch.partitions == each)]].max()) for each in found
        }
        return abandoned | frozenset(found), furthest

    def _move(
        self,
        judged: Judged,
        modes: NDArray[np.uint8],
        verdicts: NDArray[np.uint8],
        vectors: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint64], Told]:
        """Inputs and windows of each record into `vectors`, the state forward, the verdicts of the
        good ones.

        Gives the hashes of the transactions' ids, and what is known of repeats; modes of conflicts
        become SKIP.
        """
        batch, columns, n = judged.batch, judged.columns, len(modes)
        ids = np.empty(n, np.uint64)
        starts, lengths = columns.span("transaction_id")
        hash_kernel(columns.data, starts, lengths, ids)
        amounts, times = columns.numbers("base_amount_minor"), columns.numbers("occurred_at")
        kinds = columns.numbers("kind")
        input_kernel(
            n,
            amounts,
            times,
            kinds,
            columns.numbers("channel"),
            columns.numbers("mcc"),
            columns.is_null("mcc"),
            self._input_program,
            vectors,
        )
        bodies = self._bodies.hashes(columns, modes != SKIP)
        originals = hashes_of_originals(columns)
        events = Events(
            slots=judged.slots,
            times=times,
            ids=ids,
            offsets=batch.offsets,
            modes=modes,
            verdicts=verdicts,
            amounts=amounts,
            kinds=kinds,
            bodies=bodies,
            answers=NOT_KNOWN if batch.answers is None else batch.answers,
            corrects=NO_IDS if originals is None else originals,
        )
        told = self.table.apply(events, vectors)
        return ids, told


def _refuse_to_forget(batch: Batch, columns: Columns) -> None:
    """A record that was answered as good is never passed over because this process does not know
    its schema: it waits.
    """
    answered = (batch.modes == REPLAY) | (batch.modes == REPLAY_DUPLICATE)
    if answered.any() and (rows := np.flatnonzero(answered & columns.unread())).size:
        ids = columns.ids[rows].tolist()
        raise SchemaWait(
            what="a record that was answered as good has a schema that is not known here",
            where="transactions",
            rows=rows.tolist(),
            is_over=lambda: all(isinstance(find(each), dict) for each in ids),
        )
