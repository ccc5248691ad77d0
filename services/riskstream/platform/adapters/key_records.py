"""What api-keys.v1 says, record by record: the keys that are right, and the records that are
refused, with why.

A record that is wrong lets nobody in, and closes the key that it stands under: who may write
garbage may revoke as well. A revocation is final for as long as this process lives, whatever is
written later.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from riskstream.domain.contracts.bounds import fault_of, largest_frame
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected

KEYS, CONTRACT = "api-keys.v1", "api-key.v1"
Reason = Literal["unreadable", "schema", "too_large", "bounds", "key", "revoked"]
REASONS: dict[Reason, str] = {
    "unreadable": "revoke the key, and make another",
    "schema": "apply the topics, or register its schema; it is looked at again by itself",
    "too_large": "revoke the key, and make another",
    "bounds": "revoke the key, and make another",
    "key": "look who writes this topic: no command of ours does that",
    "revoked": "look who writes this topic: no command of ours does that",
}
"""Why a record is refused, and what to do for it."""
_REASON_OF: dict[str, Reason] = {
    "unknown_schema": "schema",
    "incompatible_schema": "schema",
    "too_large": "too_large",
    "bounds": "bounds",
    "key": "key",
}
_SHOWN_KEY = 80
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedKey:
    """A record that is wrong: where it stands, the beginning of its key, and why."""

    partition: int
    offset: int
    key: str
    reason: Reason
    why: str

    @property
    def place(self) -> str:
        return f"{KEYS}:{self.partition}:{self.offset}"


@dataclass(slots=True)
class _Entry:
    """The newest record of one key. `order`: when it was appended, and where."""

    order: tuple[int, int]
    said: dict[str, Any] | None = None
    refused: RefusedKey | None = None
    unknown: Record | None = None
    wait: SchemaWait | None = None


class KeyRecords:
    """Takes records in the order of each partition, as often as they are read. Raises nothing for
    what a record holds. `revoked`: keys that are known as revoked, which stay so.
    """

    def __init__(self, revoked: set[bytes] | None = None) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self.revoked: set[bytes] = set() if revoked is None else revoked

    def take(self, record: Record) -> None:
        key, order = record.key or b"", (record.appended_at, record.offset)
        entry = self._entries.setdefault(key, _Entry(order))
        if order < entry.order:  # the same key in another partition: what was appended last counts
            self._take_older(entry, record)
            return
        entry.order, entry.said = order, None
        entry.unknown = entry.wait = entry.refused = None
        if record.value is not None:
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

    def said(self) -> dict[str, dict[str, Any]]:
        """By id what is said of each key, the revoked ones too: records as they were decoded."""
        found = [entry.said for _, entry in sorted(self._entries.items())]
        return {str(each["key_id"]): each for each in found if each is not None}

    def refused(self) -> list[RefusedKey]:
        """Every record that is wrong and the newest of its key, by place."""
        found = [entry.refused for entry in self._entries.values() if entry.refused is not None]
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def _take_older(self, entry: _Entry, record: Record) -> None:
        """What is not the newest of its key can still revoke it."""
        try:
            said = None if record.value is None else _read(record, record.value)
        except (Rejected, SchemaWait):
            return
        if said is None or said["revoked_at"] is None:
            return
        self.revoked.add(record.key or b"")
        if entry.said is not None and entry.said["revoked_at"] is None:
            entry.said = None
            entry.refused = _refused(record, "revoked", "a newer record takes back what this says")

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
            self._hold(entry, record, said)

    def _hold(self, entry: _Entry, record: Record, said: dict[str, Any]) -> None:
        key = record.key or b""
        if said["revoked_at"] is not None:
            self.revoked.add(key)
        elif key in self.revoked:
            entry.refused = _refused(
                record, "revoked", "the key was revoked before, which is final"
            )
            return
        entry.said = said


def _read(record: Record, frame: bytes) -> dict[str, Any]:
    """What the record says; Rejected where it is not one of ours, SchemaWait while its schema is
    being asked for.
    """
    most = largest_frame(CONTRACT)
    if len(frame) > most:
        raise Rejected(reason="too_large", detail=f"it has {len(frame):,} bytes, {most:,} at most")
    said = codec(CONTRACT).decode(frame)
    if why := fault_of(CONTRACT, said):
        raise Rejected(reason="bounds", detail=why)
    if not _HASH.fullmatch(said["secret_sha256"]):
        raise Rejected(reason="bounds", detail="secret_sha256 is no SHA-256 in hexadecimal digits")
    own = str(said["key_id"])
    if own.encode() != (record.key or b""):
        raise Rejected(reason="key", detail=f"it says {own[:_SHOWN_KEY]!r}, which is not its key")
    return said


def _refused(record: Record, reason: Reason, why: str) -> RefusedKey:
    key = (record.key or b"").decode("utf-8", "replace")[:_SHOWN_KEY]
    return RefusedKey(
        partition=record.partition, offset=record.offset, key=key, reason=reason, why=why
    )
