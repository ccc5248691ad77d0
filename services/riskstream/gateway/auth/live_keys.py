"""API keys from their topic into a running gateway, and the caller of each."""

import hmac
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog

from riskstream.gateway.auth.caller import Caller
from riskstream.gateway.auth.problems import bad_credentials
from riskstream.platform.adapters.api_keys import digest_of, id_of
from riskstream.platform.adapters.key_records import KEYS, REASONS, KeyRecords
from riskstream.platform.adapters.named_records import Refused
from riskstream.platform.kafka.clients.table import TopicFollower
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import AccessMetrics

log = structlog.get_logger("keys")
_SCHEMA_S = 3.0
"""How long a change waits for the schemas of its records before the others are acted on."""
_NOBODYS = bytes(32)
"""What a key of an unknown id is compared with, so that it takes as long."""
_MAX_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    expires_at: int | None
    caller: Caller


class LiveKeys:
    """A follower's sink, and what gateways ask: `caller_of` a key. Safe between threads."""

    def __init__(self, metrics: AccessMetrics) -> None:
        self._metrics = metrics
        self._records = KeyRecords()
        self._keys: dict[str, _Key] = {}
        self._told: set[Refused] = set()
        for reason in REASONS:
            metrics.keys_refused.labels(reason).set(0)

    def __len__(self) -> int:
        """Keys that are not revoked."""
        return len(self._keys)

    def begin(self) -> None:
        self._records = KeyRecords(self._records.revoked)

    def take(self, record: Record) -> None:
        self._records.take(record)

    def settle(self) -> bool:
        """Act on all that is right; False while the schema of a record is not known."""
        end = time.monotonic() + _SCHEMA_S
        while self._records.take_unknown() and time.monotonic() < end:
            time.sleep(0.02)
        found = self._records.said().values()
        self._keys = {each["key_id"]: _key(each) for each in found if each["revoked_at"] is None}
        self._metrics.keys.set(len(self._keys))
        self._tell(self._records.refused())
        return not self._records.has_unknown

    def caller_of(self, key: str, now_ms: int) -> Caller:
        """Whose key it is; Problem where it is nobody's, and the same one whatever the reason."""
        key_id = id_of(key)
        if key_id is None:
            raise bad_credentials("it has not the shape of a key: was all of it copied?")
        found = self._keys.get(key_id)
        expected = _NOBODYS if found is None else found.digest
        is_right = hmac.compare_digest(expected, digest_of(key))
        if found is None or not is_right:
            raise bad_credentials("the key is unknown or revoked")
        if found.expires_at is not None and now_ms >= found.expires_at:
            raise bad_credentials("the key has expired")
        return found.caller

    def _tell(self, refused: list[Refused]) -> None:
        counts = Counter(each.reason for each in refused)
        for reason in REASONS:
            self._metrics.keys_refused.labels(reason).set(counts[reason])
        if len(self._told) > _MAX_TOLD:
            self._told.clear()
        for each in refused:
            if each not in self._told:
                log.error(
                    "a record is refused and lets nobody in",
                    topic=KEYS,
                    partition=each.partition,
                    offset=each.offset,
                    key=each.key,
                    reason=each.reason,
                    why=each.why,
                    do=REASONS[each.reason],
                )
        self._told |= set(refused)


def _key(said: dict[str, Any]) -> _Key:
    caller = Caller(
        name=f"key:{said['key_id']}",
        scopes=frozenset(said["scopes"]),
        rate_per_s=said["rate_per_s"],
        burst=said["burst"],
    )
    return _Key(bytes.fromhex(said["secret_sha256"]), said["expires_at"], caller)


def follow_keys(kafka: str, metrics: AccessMetrics) -> tuple[LiveKeys, TopicFollower]:
    """The keys as they change, and who follows them, started. Retryable where Kafka does not answer
    in half a minute.
    """
    keys = LiveKeys(metrics)
    follower = TopicFollower(kafka, [KEYS], keys)
    follower.start()
    return keys, follower
