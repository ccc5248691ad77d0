"""What rules.v1 and lists.v1 say, record by record: the newest that is right of each key, and those
that are refused, with why.

A record that is wrong changes nothing: what stood under its key before stays in force for as long
as the topic still holds it.
"""

from dataclasses import dataclass
from typing import Any, Literal

from riskstream.domain.contracts.bounds import fault_of, largest_frame
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.domain.risk.rules import listed
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected

RULES, LISTS = "rules.v1", "lists.v1"
CONTRACTS = {RULES: "rule.v1", LISTS: "list.v1"}
_IDS = {RULES: "rule_id", LISTS: "list_id"}

Reason = Literal["unreadable", "schema", "too_large", "bounds", "key", "rule"]
REASONS: dict[Reason, str] = {
    "unreadable": "write what it was meant to say again",
    "schema": (
        "apply the topics, or register the schema it was written by; it is looked at again by "
        "itself"
    ),
    "too_large": "write less into it: no rule or list is that large",
    "bounds": "write it again within the bounds of its contract",
    "key": "write it again under its own name",
    "rule": "correct the rule and switch it on again, or switch it off",
}
"""Why a record is refused, and what to do for it; `rule`: the record is right, and what it says
cannot be done.
"""
_REASON_OF: dict[str, Reason] = {
    "unknown_schema": "schema",
    "incompatible_schema": "schema",
    "too_large": "too_large",
    "bounds": "bounds",
    "key": "key",
}
_SHOWN_KEY = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that is wrong: where it stands, the beginning of its key, and why."""

    topic: str
    partition: int
    offset: int
    key: str
    reason: Reason
    why: str

    @property
    def place(self) -> str:
        """As `riskstream rules clear` takes it."""
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(slots=True)
class _Entry:
    """One key. `order`: when its newest record was appended, and where; `said`: the newest that is
    right.

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


class RuleRecords:
    """Takes records in the order of each partition, as often as they are read. Raises nothing for
    what a record holds.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[str, bytes], _Entry] = {}

    def take(self, record: Record) -> None:
        """A record of rules.v1 or lists.v1."""
        place, order = (record.topic, record.key or b""), (record.appended_at, record.offset)
        entry = self._entries.setdefault(place, _Entry(order))
        if (
            order < entry.order
            # another producer put the same key into another partition: what was appended last
            # counts
        ):
            return
        entry.order, entry.unknown, entry.wait, entry.refused = order, None, None, None
        if record.value is None:
            entry.said = entry.frame = None
            return
        self._look(entry, record, record.value)

    def take_unknown(self) -> list[SchemaWait]:
        """Look again at records whose schema was not known; what is still to be waited for."""
        for entry in self._entries.values():
            record, entry.unknown = entry.unknown, None
            if record is not None and record.value is not None:
                entry.wait = entry.refused = None
                self._look(entry, record, record.value)
        return [entry.wait for entry in self._entries.values() if entry.wait is not None]

    @property
    def has_unknown(self) -> bool:
        """True where a record is refused for its schema alone, which may become known."""
        return any(entry.unknown is not None for entry in self._entries.values())

    def said(self, topic: str) -> dict[str, dict[str, Any]]:
        """By name what is in force: the records as they were decoded."""
        found = [entry.said for (of, _), entry in sorted(self._entries.items()) if of == topic]
        return {str(each[_IDS[topic]]): each for each in found if each is not None}

    def refused(self) -> list[Refused]:
        """Every record that is wrong and the newest of its key, by place."""
        found = [entry.refused for entry in self._entries.values() if entry.refused is not None]
        return sorted(found, key=lambda each: (each.topic, each.partition, each.offset))

    def rule_refused(self, rule_id: str, why: str) -> Refused:
        """Of a rule that is right as a record, and cannot be acted on."""
        entry = self._entries[RULES, rule_id.encode()]
        return Refused(
            topic=RULES,
            partition=entry.partition,
            offset=entry.offset,
            key=rule_id[:_SHOWN_KEY],
            reason="rule",
            why=why,
        )

    def key_and_value(self, wanted: Refused) -> tuple[bytes, bytes | None]:
        """The key of a refused record, and what stood under it before: None where nothing did that
        is right.
        """
        return next(
            (key, entry.frame)
            for (topic, key), entry in self._entries.items()
            if topic == wanted.topic and entry.refused is wanted
        )

    def _look(self, entry: _Entry, record: Record, frame: bytes) -> None:
        try:
            said = _read(record, frame)
        except SchemaWait as wait:
            entry.wait, entry.unknown = wait, record
            entry.refused = _refused(record, "schema", str(wait))
        except Rejected as error:
            reason = _REASON_OF.get(error.reason, "unreadable")
            entry.unknown = record if reason == "schema" else None
            entry.refused = _refused(
                record, reason, error.detail if reason == error.reason else str(error)
            )
        else:
            entry.said, entry.frame = said, frame
            entry.partition, entry.offset = record.partition, record.offset


def _read(record: Record, frame: bytes) -> dict[str, Any]:
    """What the record says; Rejected where it is not one of ours, SchemaWait while its schema is
    being asked for.
    """
    name = CONTRACTS[record.topic]
    most = largest_frame(name)
    if len(frame) > most:
        raise Rejected(reason="too_large", detail=f"it has {len(frame):,} bytes, {most:,} at most")
    said = codec(name).decode(frame)
    if why := fault_of(name, said) or (record.topic == LISTS and listed.fault_of(said)):
        raise Rejected(reason="bounds", detail=why)
    own = str(said[_IDS[record.topic]])
    if own.encode() != (record.key or b""):
        raise Rejected(reason="key", detail=f"it says {own[:_SHOWN_KEY]!r}, which is not its key")
    return said


def _refused(record: Record, reason: Reason, why: str) -> Refused:
    key = (record.key or b"").decode("utf-8", "replace")[:_SHOWN_KEY]
    return Refused(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=key,
        reason=reason,
        why=why,
    )
