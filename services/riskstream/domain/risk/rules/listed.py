"""Values of the lists that rules use: each may end at an instant, and have a note. Pure.

Whether a value is in a list is judged at the time of the transaction, so that a replay decides as
the scorer did.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value, and why it is there. It counts for what occurred before `ends_at`, ms since 1970
    UTC; None: for ever.
    """

    value: str
    ends_at: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """Hashes of a list's values, sorted: of those that are in it for ever, and of those that end,
    with when.
    """

    always: NDArray[np.uint64]
    ending: NDArray[np.uint64]
    ends_at: NDArray[np.float64]

    def hold(
        self, found: NDArray[np.uint64], occurred_at: Callable[[], NDArray[np.float64]]
    ) -> NDArray[np.bool_]:
        """Which of these hashes are in the list; the times are asked for where values end."""
        out = np.isin(found, self.always)
        if len(self.ending):
            place = np.minimum(np.searchsorted(self.ending, found), len(self.ending) - 1)
            out |= (self.ending[place] == found) & (occurred_at() < self.ends_at[place])
        return out


def members(entries: Iterable[Entry], hash_of: Callable[[str], int]) -> Members:
    """Of a value that is there twice, the later end counts."""
    ends: dict[int, float] = {}
    for each in entries:
        end = np.inf if each.ends_at is None else float(each.ends_at)
        known = hash_of(each.value)
        ends[known] = max(ends.get(known, end), end)
    always = sorted(known for known, end in ends.items() if end == np.inf)
    ending = sorted(known for known, end in ends.items() if end != np.inf)
    return Members(
        always=np.array(always, np.uint64),
        ending=np.array(ending, np.uint64),
        ends_at=np.array([ends[known] for known in ending], np.float64),
    )


NOTHING = members((), len)
"""A list without values, which no hash is asked for."""


def entries_of(record: Mapping[str, Any]) -> list[Entry]:
    """The values of a record of list.v1 in which `fault_of` finds nothing."""
    values = record["values"]
    ends = record.get("ends_at") or [0] * len(values)
    notes = record.get("notes") or [""] * len(values)
    return [
        Entry(value=value, ends_at=end or None, note=note)
        for value, end, note in zip(values, ends, notes, strict=True)
    ]


def values_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """The fields of list.v1 that hold these values. What no value has takes no room."""
    ends, notes = [each.ends_at or 0 for each in entries], [each.note for each in entries]
    return {
        "values": [each.value for each in entries],
        "ends_at": ends if any(ends) else [],
        "notes": notes if any(notes) else [],
    }


def fault_of(record: Mapping[str, Any]) -> str:
    """What of a record of list.v1 belongs to no value, in words; empty where nothing does."""
    count = len(record["values"])
    for name in ("ends_at", "notes"):
        if len(record[name]) not in (0, count):
            return f"{name} has {len(record[name]):,} items for {count:,} values"
    return ""


def said(entries: Iterable[Entry]) -> list[Any]:
    """What decides, in order: as JSON values, and for a list in which nothing ends its values."""
    ordered = sorted(entries, key=lambda each: (each.value, each.ends_at or 0))
    return [each.value if each.ends_at is None else [each.value, each.ends_at] for each in ordered]
