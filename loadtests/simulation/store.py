"""The state store in memory: rows and watermarks of partitions, as
`platform/adapters/redis_state.py` keeps them; and its faults.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

from riskstream.platform.kafka.lanes.ports import OTHER_STATE, Mark
from riskstream.runtime.errors import Retryable


@dataclass(slots=True)
class Held:
    """One partition. `fields`: how many its rows and mark were when it was written, as Redis's
    `#n`.
    """

    rows: dict[bytes, bytes] = field(default_factory=dict)
    mark: Mark | None = None
    fields: int = 0

    @property
    def whole_mark(self) -> Mark | None:
        """The mark, None where a row was lost beside it."""
        return self.mark if self.mark is not None and self.fields == len(self.rows) else None


class MemoryStore:
    """A StateStore. `step` is called before and after each effect."""

    def __init__(self, step: Callable[[str], None] = lambda _: None) -> None:
        self._step = step
        self.partitions: dict[int, Held] = {}
        self.replica: dict[int, Held] = {}
        self.is_away: Callable[[], bool] = lambda: False
        self.on_write: Callable[[int, Mark, list[tuple[bytes, bytes]]], None] = lambda *_: None

    def _call(self, what: str) -> None:
        self._step(what)
        if self.is_away():
            raise Retryable(what="the store does not answer", where="store")

    def _answered(self) -> None:
        """The effect is there; the answer may not be."""
        self._step("stored")
        if self.is_away():
            raise Retryable(what="the store does not answer", where="store")

    def mark(self, partition: int) -> Mark | None:
        self._call("mark")
        held = self.partitions.get(partition)
        found = None if held is None else held.whole_mark
        self._answered()
        return found

    def read(
        self, keys: dict[int, list[bytes]], since: dict[int, int] | None = None
    ) -> dict[int, tuple[int | None, list[bytes | None]]]:
        self._call("read")
        found: dict[int, tuple[int | None, list[bytes | None]]] = {}
        for partition, wanted in keys.items():
            held = self.partitions.get(partition, Held())
            mark = held.whole_mark
            seen = None if mark is None else mark.stored_src
            whole_since = held.mark.whole_since if held.mark is not None else 0
            if seen is not None and since is not None and whole_since != since[partition]:
                seen = OTHER_STATE
            rows = {} if seen is None else held.rows
            found[partition] = (seen, [rows.get(key) for key in wanted])
        self._answered()
        return found

    def checkpoint(
        self,
        partition: int,
        highest_stored_src: int,
        mark: Mark,
        rows: list[tuple[bytes, bytes]],
        replaces: int | None = None,
    ) -> int | None:
        """As the script of `redis_state.py`, line by line."""
        self._call("checkpoint")
        stored_src = self._write(
            partition,
            highest_stored_src,
            mark,
            rows,
            mark.whole_since if replaces is None else replaces,
        )
        self._answered()
        return stored_src

    def _write(
        self,
        partition: int,
        highest: int,
        mark: Mark,
        rows: list[tuple[bytes, bytes]],
        replaces: int,
    ) -> int | None:
        held = self.partitions.get(partition, Held())
        left, is_marked = held.mark, held.whole_mark is not None
        left_src = left.stored_src if left is not None else -1
        stored_src, rows_to = -1, max(mark.rows_to, left.rows_to if left is not None else -1)
        if is_marked:
            stored_src = left_src
        else:
            rows_to = max(rows_to, left_src)
        if stored_src < highest:
            return None
        if is_marked and left is not None:
            if left.whole_since != mark.whole_since and (
                left.whole_since != replaces or stored_src > mark.stored_src
            ):
                return None
            if left.whole_since == mark.whole_since and stored_src >= mark.stored_src:
                return stored_src
        self.on_write(partition, mark, rows)
        held.rows.update(rows)
        held.mark = Mark(
            stored_src=mark.stored_src,
            output_offset=mark.output_offset,
            identity=mark.identity,
            whole_since=mark.whole_since,
            rows_to=rows_to if rows_to > mark.stored_src else -1,
        )
        held.fields = len(held.rows)
        self.partitions[partition] = held
        return mark.stored_src

    # Faults
    # ----------------------------------------------------------------------------------------------

    def replicate(self) -> None:
        """The replica is as the primary is now."""
        self.replica = copy.deepcopy(self.partitions)

    def fail_over(self) -> None:
        """The replica takes the primary's place: what came since `replicate` is gone."""
        self.partitions = copy.deepcopy(self.replica)

    def lose(self, partition: int) -> None:
        """Everything of a partition is gone, in the replica as well."""
        self.partitions.pop(partition, None)
        self.replica.pop(partition, None)

    def evict(self, partition: int, which: int) -> None:
        """One row is gone, as where Redis evicts keys."""
        held = self.partitions.get(partition)
        if held is not None and held.rows:
            keys = sorted(held.rows)
            del held.rows[keys[which % len(keys)]]
