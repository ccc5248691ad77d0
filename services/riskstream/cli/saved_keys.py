"""API keys as api-keys.v1 holds them: read, made and revoked one record at a time."""

import time
from dataclasses import dataclass
from typing import Any, Self

from riskstream.cli.moments import moment
from riskstream.domain.contracts.bounds import fault_of
from riskstream.domain.contracts.codec import codec
from riskstream.platform.adapters.key_records import CONTRACT, KEYS, KeyRecords
from riskstream.platform.kafka.clients.produce import put
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

_SCHEMA_S = 15.0


@dataclass(slots=True)
class SavedKeys:
    """`keys` by id, as records that are right; `records` knows those that are not."""

    kafka: str
    keys: dict[str, dict[str, Any]]
    records: KeyRecords

    @classmethod
    def read(cls, kafka: str) -> Self:
        """What stands there now. A record that cannot be read hides no other."""
        records = KeyRecords()
        with TopicReader(kafka, [KEYS]) as reader:
            for record in reader.until_end():
                records.take(record)
        end = time.monotonic() + _SCHEMA_S
        while records.take_unknown() and time.monotonic() < end:
            time.sleep(0.02)
        return cls(kafka, records.said(), records)

    def save(self, record: dict[str, Any]) -> None:
        """Write a key's record. Fatal where it breaks a bound."""
        if why := fault_of(CONTRACT, record):
            raise Fatal(
                what=why,
                where=KEYS,
                do="make it shorter; nothing was written",
                exit_code=Exit.INPUT,
            )
        put(self.kafka, KEYS, record["key_id"].encode(), codec(CONTRACT).encode(record))

    def revoke(self, key_id: str, now_ms: int, by: str) -> None:
        """Write that a key is revoked, also over a record that nobody can read. Fatal where there
        is none of that id.
        """
        if key_id in self.keys:
            self.save({**self.keys[key_id], "revoked_at": now_ms, "changed_by": by})
            return
        if any(each.key == key_id for each in self.records.refused()):
            put(self.kafka, KEYS, key_id.encode(), None)
            return
        raise Fatal(
            what=f"there is no key {key_id[:80]}",
            where=f"{KEYS} of {self.kafka}",
            do="see `riskstream keys list`",
            exit_code=Exit.INPUT,
        )


def state_of(key: dict[str, Any], now_ms: int) -> str:
    """In words: whether gateways let a key in."""
    if key["revoked_at"] is not None:
        return f"revoked {moment(key['revoked_at'])}"
    if key["expires_at"] is None:
        return "in force"
    word = "expires" if key["expires_at"] > now_ms else "expired"
    return f"{word} {moment(key['expires_at'])}"
