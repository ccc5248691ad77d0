"""What compacted topics say, record by record: of each key the newest record, and those that are
refused, with why.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from riskstream.domain.contracts.bounds import fault_of, largest_frame
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected

_REASON_OF = {"unknown_schema": "schema", "incompatible_schema": "schema"}
_OWN_REASONS = ("too_large", "bounds", "key")
SHOWN_KEY = 80
"""Characters of a key that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that is wrong: where it stands, the beginning of its key, and why."""

    topic: str
    partition: int
    offset: int
    key: str
    reason: str
    why: str

    @property
    def place(self) -> str:
        """As `riskstream rules clear` takes it."""
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(slots=True)
class Entry:
    """One key. `order`: when its newest record was appended, and where; `said`, `frame`: what is in
    force, and as it was encoded.

    `unknown`: the newest record, where only its schema is not known.
    """

    order: tuple[int, int]
    said: dict[str, Any] | None = None
    frame: bytes | None = None
    partition: int = 0
    offset: int = 0
    refused: Refused | None = None
    unknown: Record | None = None
    wait: SchemaWait | None = None

    def refuse(self, record: Record, reason: str, why: str) -> None:
        """The record is wrong, for one of the topic's reasons."""
        self.refused = Refused(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=(record.key or b"").decode("utf-8", "replace")[:SHOWN_KEY],
            reason=reason,
            why=why,
        )


class NamedRecords(ABC):
    """Takes records in the order of each partition, as often as they are read. Raises nothing for
    what a record holds.
    """

    keeps_last = True
    """A record that is wrong changes nothing: what stood under its key before stays in force for as
    long as the topic still holds it. Else it closes its key.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[str, bytes], Entry] = {}

    def take(self, record: Record) -> None:
        """The next record of a topic."""
        place, order = (record.topic, record.key or b""), (record.appended_at, record.offset)
        entry = self._entries.setdefault(place, Entry(order))
        if order < entry.order:  # the same key in another partition: what was appended last counts
            self.take_older(entry, record)
            return
        entry.order, entry.unknown, entry.wait, entry.refused = order, None, None, None
        if record.value is None or not self.keeps_last:
            entry.said = entry.frame = None
        if record.value is not None:
            self._look(entry, record)

    def take_unknown(self) -> list[SchemaWait]:
        """Look again at records whose schema was not known; what is still to be waited for."""
        for entry in self._entries.values():
            record, entry.unknown = entry.unknown, None
            if record is not None:
                entry.wait = entry.refused = None
                self._look(entry, record)
        return [entry.wait for entry in self._entries.values() if entry.wait is not None]

    @property
    def has_unknown(self) -> bool:
        """True where a record is refused for its schema alone, which may become known."""
        return any(entry.unknown is not None for entry in self._entries.values())

    def refused(self) -> list[Refused]:
        """Every record that is wrong and the newest of its key, by place."""
        found = [entry.refused for entry in self._entries.values() if entry.refused is not None]
        return sorted(found, key=lambda each: (each.topic, each.partition, each.offset))

    def in_force(self, topic: str) -> list[dict[str, Any]]:
        """The records as they were decoded, in the order of their keys."""
        found = [entry.said for (of, _), entry in sorted(self._entries.items()) if of == topic]
        return [each for each in found if each is not None]

    @abstractmethod
    def read(self, record: Record) -> dict[str, Any]:
        """What a record with a value says: see `read_named`."""

    def take_older(self, entry: Entry, record: Record) -> None:  # noqa: B027  most topics let it be
        """A record that is not the newest of its key says nothing."""

    def hold(self, entry: Entry, record: Record, said: dict[str, Any]) -> None:
        """What a record says is in force from now on."""
        entry.said, entry.frame = said, record.value
        entry.partition, entry.offset = record.partition, record.offset

    def _look(self, entry: Entry, record: Record) -> None:
        try:
            said = self.read(record)
        except SchemaWait as wait:
            entry.wait, entry.unknown = wait, record
            entry.refuse(record, "schema", str(wait))
        except Rejected as error:
            is_own = error.reason in _OWN_REASONS
            reason = error.reason if is_own else _REASON_OF.get(error.reason, "unreadable")
            entry.unknown = record if reason == "schema" else None
            entry.refuse(record, reason, error.detail if is_own else str(error))
        else:
            self.hold(entry, record, said)


def read_named(
    record: Record,
    contract: str,
    name: str,
    fault_in: Callable[[dict[str, Any]], str | None] = lambda _: None,
) -> dict[str, Any]:
    """What a record of a contract says, whose field `name` is its key; `fault_in`: what else can be
    wrong with it. Rejected where it is wrong, SchemaWait while its schema is being asked for.
    """
    frame, most = record.value or b"", largest_frame(contract)
    if len(frame) > most:
        raise Rejected(reason="too_large", detail=f"it has {len(frame):,} bytes, {most:,} at most")
    said = codec(contract).decode(frame)
    if why := fault_of(contract, said) or fault_in(said):
        raise Rejected(reason="bounds", detail=why)
    own = str(said[name])
    if own.encode() != (record.key or b""):
        raise Rejected(reason="key", detail=f"it says {own[:SHOWN_KEY]!r}, which is not its key")
    return said
