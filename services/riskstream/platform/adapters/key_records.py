"""What api-keys.v1 says, record by record: the keys that are right, and the records that are
refused, with why.

A record that is wrong lets nobody in, and closes the key that it stands under: who may write
garbage may revoke as well. A revocation is final for as long as this process lives, whatever is
written later.
"""

import re
from typing import Any

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.adapters.named_records import Entry, NamedRecords, read_named
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Rejected

KEYS, CONTRACT = "api-keys.v1", "api-key.v1"
REASONS = {
    "unreadable": "revoke the key, and make another",
    "schema": "apply the topics, or register its schema; it is looked at again by itself",
    "too_large": "revoke the key, and make another",
    "bounds": "revoke the key, and make another",
    "key": "look who writes this topic: no command of ours does that",
    "revoked": "look who writes this topic: no command of ours does that",
}
"""Why a record is refused, and what to do for it."""
_HASH = re.compile(r"[0-9a-f]{64}")


class KeyRecords(NamedRecords):
    """`revoked`: keys that are known as revoked, which stay so."""

    keeps_last = False

    def __init__(self, revoked: set[bytes] | None = None) -> None:
        super().__init__()
        self.revoked: set[bytes] = set() if revoked is None else revoked

    def said(self) -> dict[str, dict[str, Any]]:
        """By id what is said of each key, the revoked ones too: records as they were decoded."""
        return {str(each["key_id"]): each for each in self.in_force(KEYS)}

    def read(self, record: Record) -> dict[str, Any]:
        return read_named(record, CONTRACT, "key_id", _fault_in)

    def take_older(self, entry: Entry, record: Record) -> None:
        """What is not the newest of its key can still revoke it."""
        if record.value is None:
            return
        try:
            is_revoked = self.read(record)["revoked_at"] is not None
        except (Rejected, SchemaWait):
            return
        if not is_revoked:
            return
        self.revoked.add(record.key or b"")
        if entry.said is not None and entry.said["revoked_at"] is None:
            entry.said = None
            entry.refuse(record, "revoked", "a newer record takes back what this says")

    def hold(self, entry: Entry, record: Record, said: dict[str, Any]) -> None:
        key = record.key or b""
        if said["revoked_at"] is not None:
            self.revoked.add(key)
        elif key in self.revoked:
            entry.refuse(record, "revoked", "the key was revoked before, which is final")
            return
        super().hold(entry, record, said)


def _fault_in(said: dict[str, Any]) -> str | None:
    if _HASH.fullmatch(said["secret_sha256"]):
        return None
    return "secret_sha256 is no SHA-256 in hexadecimal digits"
