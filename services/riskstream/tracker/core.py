"""The tracker's core: accepted scores in, alerts and customer states out. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riskstream.platform.kafka.accepted import AcceptedScores, ScoreBatch
from riskstream.platform.kafka.record import Made, Record, RecordParts, Records
from riskstream.runtime.observer import Observer
from riskstream.tracker.fold import Fold
from riskstream.tracker.outputs import ALERTS, STATE, Outputs, Standings
from riskstream.tracker.owned import Owned
from riskstream.tracker.restore import Restorer
from riskstream.tracker.unread import UnreadScores

_ALERTED = "alerted="


class TrackerCore:
    """The derived lane's work: states of the customers of owned partitions, in memory.

    `skipped`: (partition, offset) of scores that may be left out where they cannot be read; any
    other holds its partition.
    """

    def __init__(
        self,
        observer: Observer,
        skipped: frozenset[tuple[int, int]] = frozenset(),
        base_currency: str = "EUR",
    ) -> None:
        self._outputs = Outputs(base_currency)
        self._fold = Fold(observer, self._outputs, base_currency)
        self._restorer = Restorer(observer, base_currency)
        self._observer = observer
        self._unread = UnreadScores(observer, skipped)
        self._owned: dict[int, Owned] = {}
        self._accepted = AcceptedScores()
        self._reader = self._accepted.rule

    @property
    def state_topics(self) -> tuple[str, ...]:
        return (STATE,)

    @property
    def tails(self) -> Mapping[str, Callable[[Record], bool]]:
        """The newest alert says up to where alerts were written, whatever became of the group's
        offsets.
        """
        return {ALERTS: self._restorer.is_own_alert}

    def resume(self, partition: int, metadata: str | None) -> None:
        self._reader.resume(partition, metadata)
        found = [part for part in (metadata or "").split(";") if part.startswith(_ALERTED)]
        self._owned[partition] = Owned(
            alerted=int(found[0].removeprefix(_ALERTED)) if found else -1
        )

    def metadata(self, partition: int) -> str:
        """The last accepted score; and, until that is passed, up to where alerts had been written
        when offsets were lost.
        """
        alerted, text = self._owned[partition].alerted, self._reader.metadata(partition)
        return (
            f"{text};{_ALERTED}{alerted}"
            if alerted > self._reader.last.get(partition, -1)
            else text
        )

    def foresee(self, partition: int, records: Records) -> None:
        """Load states before it is known who gets their partition."""
        self._restorer.foresee(partition, records)

    def forget(self, partition: int) -> None:
        """Let go of what was foreseen."""
        self._restorer.forget(partition)

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        """Load the partition's newest states and where they stand, and the newest alerts; call
        `resume` first. SchemaWait as `Restorer`.
        """
        self._restorer.restore(self._owned[partition], partition, RecordParts.of(records))
        self._count()

    def start(self, partition: int, flushed: int | None) -> int:
        """Where the states stand, or behind it where the last flush changed none; without states
        what is there.
        """
        owned = self._owned[partition]
        at, last = owned.standing.score_offset, self._reader.last.get(partition)
        # none was written yet, or the topic was emptied: made again from the scores that are left
        if owned.is_new:
            self._reader.last.pop(partition, None)
            return 0
        # the group's offset is lost, the states are not
        if flushed is None or last is None or at > flushed:
            self._reader.last[partition] = owned.standing.position
            return max(at, 0)
        self._reader.last[partition] = max(last, owned.standing.position)
        return flushed

    def take(self, partition: int, records: Sequence[Record], committed: int) -> list[Made]:
        """Fold the accepted ones in; their alerts, and states that must be written before a tile
        leaves.

        SchemaWait where one cannot be read, now or ever, before any is folded in: the partition is
        held there.
        """
        owned, taken = self._owned[partition], Records.of(records)
        # what is over a bound: its alert would fit no topic
        batch = self._accepted.decode(taken, wait_s=0)
        self._unread.leave_out(owned, batch)
        dropped, last = self._reader.dropped, self._reader.last.get(partition, -1)
        rows = self._accepted.rows_of_one(batch, partition)
        self._observer.count("dropped", self._reader.dropped - dropped)
        if not len(rows):
            return []
        self._observer.count("scores", len(rows))
        srcs, offsets = batch.columns.numbers("src")[rows], taken.offsets[rows]
        whole_from = self._see_holes(owned, batch, rows, _behind(last, srcs))
        # where it stood before each one
        standings = Standings(
            _behind(owned.standing.position, srcs),
            _behind(owned.standing.score_offset, offsets + 1),
            whole_from,
        )
        is_alerted = (offsets < committed) | (srcs <= owned.alerted)
        out = self._fold.take(owned.customers, batch, rows, standings, is_alerted)
        owned.stands_at(int(srcs[-1]), int(offsets[-1]) + 1)
        return out

    def _see_holes(
        self,
        owned: Owned,
        batch: ScoreBatch,
        rows: NDArray[np.int64],
        befores: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Tell where scores are missing; from when the states are whole at each accepted row, ms.

        `befores`: the source offset of the one accepted before each.
        """
        prevs = batch.columns.numbers("prev")[rows]
        whole_from = np.full(len(rows), owned.standing.whole_from)
        for at in np.flatnonzero(prevs != befores).tolist():
            self._see_hole(owned, batch, int(rows[at]), int(befores[at]))
            whole_from[at:] = owned.standing.whole_from
        return whole_from

    def _see_hole(self, owned: Owned, batch: ScoreBatch, row: int, last: int) -> None:
        """Scores are missing: they expired before they were read. The states go on, and say from
        when they are whole.
        """
        record, value = batch.records[row], batch.columns.value
        prev = value("prev", row)
        if prev > last:
            owned.may_lack(value("src_appended_at", row))
        self._observer.count("gaps")
        self._count()
        self._observer.report(
            "scores are missing before this one",
            partition=record.partition,
            src=value("src", row),
            prev=prev,
            last=last,
            whole_from=owned.standing.whole_from,
            **(record.trace.logged() if record.trace else {}),
        )

    def arrived_at(self, partition: int) -> int | None:  # noqa: ARG002  alerts wait for no one
        return None

    def settle(self, partition: int, committed: int) -> list[Made]:  # noqa: ARG002  all is written by take and flush
        return []

    def flush(self, partition: int) -> list[Made]:
        """The states that changed since the last flush; the last one says that it is the last."""
        owned = self._owned[partition]
        slots = owned.customers.take_changed()
        keys = owned.customers.joined_keys(slots)
        standings = Standings.all_at(owned.standing, len(keys))
        states = owned.customers.states.of(slots)
        out = self._outputs.states(partition, keys, states, standings, end_flush=True)
        self._count()
        return [*out]

    def drop(self, partition: int) -> None:
        self._owned.pop(partition, None)
        self._count()

    def _count(self) -> None:
        self._observer.show(
            "customers", sum(len(owned.customers) for owned in self._owned.values())
        )
        whole_from = max((owned.standing.whole_from for owned in self._owned.values()), default=0)
        self._observer.show("whole_from", whole_from / 1000)


def _behind(first: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """What was before each of some values: the one before it, `first` before the first."""
    out = np.empty_like(values)
    out[0], out[1:] = first, values[:-1]
    return out
