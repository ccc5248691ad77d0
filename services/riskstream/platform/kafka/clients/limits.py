"""How large records may be: what producers send, what topics take, and what is cut where a record
does not fit.

All of it derives from the contracts' bounds and the topics' max.message.bytes, and is checked
against the brokers at start. A topic's limit is of a compressed batch, a producer's of the record
itself: so what a topic holds can be far larger than its limit, and whoever passes records on cuts
what does not fit.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

from riskstream.domain.contracts.bounds import bounds_of, largest_frame
from riskstream.domain.contracts.catalog import DEAD_LETTER_ROOM, topics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

OVERHEAD = 1024
"""Bytes of a batch of one record beside its key, value and named headers: Kafka's own, and a
traceparent.
"""
KEPT_KEY_BYTES = 4096
"""Kept of a dead letter's key where the letter does not fit whole."""
KEPT_VALUE_BYTES = 64
"""Kept by a reader of a value that is larger than any of ours."""
MOST_HEADERS = 100
"""Kept of a record's headers: ours have at most nine."""
CUT_HEADERS = ("riskstream-key-bytes", "riskstream-value-bytes")
"""A dead letter that has one of these was cut."""

Headers = list[tuple[str, str | bytes | None]]


@cache
def max_key_bytes() -> int:
    """Of a score's key: a longer one is no customer's."""
    bound = bounds_of("transaction.v1")["customer_id"].max_bytes
    assert bound is not None
    return bound


@cache
def producer_bytes() -> int:
    """message.max.bytes of our producers: what the largest topic takes; only releases are larger,
    and say so.
    """
    return max(each.max_bytes for each in topics().values() if each.contract != "release.v1")


def least_of(topic: str, name: str) -> int:
    """The least max.message.bytes of a topic of that contract: its largest record with its key."""
    key = topics()[topic].key if topic in topics() else ""
    return largest_frame(name) + max_key_bytes() * (2 if "part" in key else 1) + OVERHEAD


def least_of_topics(names: Sequence[str]) -> dict[str, int]:
    """The same of topics of the catalog, by name."""
    return {
        name: least_of(name, held)
        for name in names
        if (held := topics()[name].contract) is not None
    }


def least_of_dead_letters(source_bytes: int) -> int:
    """The least max.message.bytes of a topic of dead letters, by that of its source."""
    return source_bytes + DEAD_LETTER_ROOM


def check(real: Mapping[str, int], least: Mapping[str, int], where: str) -> None:
    """Fatal where a topic takes less than what is written to it. `real`: max.message.bytes as the
    brokers have it.
    """
    for topic, needed in least.items():
        if real[topic] < needed:
            raise Fatal(
                what=f"{topic} takes records of {real[topic]:,} bytes, {needed:,} are needed",
                where=where,
                do=f"run `riskstream topics apply`, or set its max.message.bytes to {needed} "
                "or more",
                exit_code=Exit.INPUT,
            )


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Most bytes that a batch of this one record has."""
    named = sum(len(name) + len(held or b"") + 10 for name, held in headers)
    return OVERHEAD + len(key or b"") + len(value or b"") + named


def short_key(key: bytes | None) -> tuple[bytes | None, Headers]:
    """A score's key, cut with headers that tell its length and hash where it is longer than any
    customer's.
    """
    if key is None or len(key) <= max_key_bytes():
        return key, []
    return key[: max_key_bytes()], _told("key", key)


def fitted(
    key: bytes | None, value: bytes | None, headers: Headers, limit: int
) -> tuple[bytes | None, bytes | None, Headers]:
    """(key, value, headers) of a dead letter, cut so that a batch of it has at most `limit`
    bytes.
    """
    if record_bytes(key, value, headers) <= limit:
        return key, value, headers
    if key is not None and len(key) > KEPT_KEY_BYTES:
        headers = headers + _told("key", key)
        key = key[:KEPT_KEY_BYTES]
    if value is not None and record_bytes(key, value, headers) > limit:
        headers = headers + _told("value", value)
        value = value[: max(limit - record_bytes(key, None, headers), 0)]
    return key, value, headers


@cache
def _most_bytes(topic: str) -> int:
    return topics()[topic].max_bytes if topic in topics() else producer_bytes()


def without_excess(
    topic: str, key: bytes | None, value: bytes | None, headers: Headers
) -> tuple[bytes | None, bytes | None, Headers]:
    """(key, value, headers) of a record as a reader keeps them: cut where they are larger than any
    that we send there.

    Its first bytes stay: they say whose schema it claims to be of.
    """
    limit = _most_bytes(topic)
    size = len(key or b"") + len(value or b"")
    if size <= limit and len(headers) <= MOST_HEADERS:
        return key, value, headers
    headers = headers[:MOST_HEADERS]
    if key is not None and len(key) > KEPT_KEY_BYTES:
        headers, key = headers + _told("key", key), key[:KEPT_KEY_BYTES]
    if value is not None and size > limit:
        headers, value = headers + _told("value", value), value[:KEPT_VALUE_BYTES]
    return key, value, headers


def _told(part: str, whole: bytes) -> Headers:
    return [
        (f"riskstream-{part}-bytes", str(len(whole)).encode()),
        (f"riskstream-{part}-sha256", hashlib.sha256(whole).hexdigest().encode()),
    ]
