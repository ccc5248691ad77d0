"""Who changes a release channel: reads what stands there, signs the head after it, and writes it
before anybody else does.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riskstream.cli.patience import Patience
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait, when_known
from riskstream.platform.adapters.release import Release, read_bytes
from riskstream.platform.adapters.release_channel import Channel
from riskstream.platform.adapters.release_records import (
    CONTRACT,
    RELEASES,
    Active,
    Head,
    content_key,
    content_of,
    head_frame,
    head_key,
)
from riskstream.platform.adapters.signing import PublicKey, public_of
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.sole_writer import Overtaken, SoleWriter
from riskstream.runtime.errors import Fatal, Rejected, Retryable

_TRIES = 8
_SCHEMA_S = 15.0


@dataclass(slots=True)
class Found:
    """A record that can be read: its fields, its key as text, and where it stands."""

    key: str
    record: dict[str, Any]
    at: tuple[int, int]


@dataclass(slots=True)
class Standing:
    """All of releases.v1. `unreadable`: (key, why) of records that are none of ours."""

    records: list[Record]
    found: list[Found] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def channel(
        self, public: PublicKey, feature_set: str, refused: list[tuple[str, str]]
    ) -> Channel:
        """What this signer says of a feature set; what is refused of it is added to `refused`."""
        channel = Channel(public, feature_set, lambda key, why: refused.append((key, why)))
        for each in self.records:
            channel.take(each.key, each.value)
        return channel

    def heads(self) -> set[tuple[str, str]]:
        """(feature set, signer) of each head, as the records claim."""
        return {
            (str(each.record["feature_set"]), str(each.record["signer"]))
            for each in self.found
            if each.record["signer"] and not each.record["content_base64"]
        }

    def unsigned(self) -> dict[str, dict[str, Any]]:
        """By key the newest record each of versions before signed heads."""
        return {each.key: each.record for each in self.found if not each.record["signer"]}

    def releases(self, release_id: str, public: PublicKey) -> Iterator[Release]:
        """Each content of a release that stands there and that this signer signed."""
        key = content_key(release_id, public.fingerprint).decode()
        for each in self.found:
            if each.key == key and each.record["content_base64"]:
                try:
                    yield read_bytes(content_of(each.record), public, f"{RELEASES}, {key}")
                except Fatal:  # somebody wrote over it, and the signer's own may stand elsewhere
                    continue

    def release(self, entry: Active, public: PublicKey) -> Release | None:
        """The content of a listed release, where it is still there."""
        return next(
            (
                each
                for each in self.releases(entry.release_id, public)
                if each.release_id == entry.release_id
            ),
            None,
        )


def legacy_withdrawn(
    standing: Standing, release_id: str, at_ms: int, by: str
) -> list[tuple[bytes, bytes]]:
    """The same for versions before signed heads, should one be run again: their record of the
    release, withdrawn.
    """
    record = standing.unsigned().get(release_id)
    if record is None or record["status"] != "ACTIVE":
        return []
    said = {
        **record,
        "status": "WITHDRAWN",
        "content_base64": "",
        "changed_at": at_ms,
        "changed_by": by,
    }
    return [(release_id.encode(), codec(CONTRACT).encode(said))]


def read_standing(kafka: str) -> Standing:
    """Every record of releases.v1, with copies and leftovers."""
    with TopicReader(kafka, [RELEASES]) as reader:
        standing = Standing(list(reader.until_end()))
    for each in standing.records:
        key = (each.key or b"")[:600].decode("utf-8", "replace")
        if each.value is None:
            continue
        try:
            standing.found.append(Found(key, _decoded(each.value), (each.partition, each.offset)))
        except (Rejected, SchemaWait) as error:
            standing.unreadable.append((key, str(error)))
    return standing


@dataclass(slots=True)
class Change:
    """What is to be written: the head after the one that stands, and records beside it."""

    head: Head
    records: list[tuple[bytes, bytes]] = field(default_factory=list)


def change(
    kafka: str, private: Path, by: str, decide: Callable[[Standing, int], list[Change]]
) -> tuple[list[Change], int]:
    """(what `decide` made of all that stands there at a moment, when the broker appended it), once
    that is committed.

    Asked again where somebody else was faster, and where the brokers are away for a while;
    Retryable where that goes on. No change: nothing is written.
    """
    attempt, patience = _Attempt(kafka, private, by, decide), Patience()
    overtaken = 0
    while True:
        try:
            return attempt.make()
        except Overtaken:
            overtaken += 1
            if overtaken == _TRIES:
                raise
            time.sleep(random.uniform(0.05, 0.2) * overtaken)
        except Retryable as error:
            patience.wait(error)


@dataclass(slots=True)
class _Attempt:
    """One change, made as often as need be. `records`: of the last try, whose commit may have
    happened unheard.
    """

    kafka: str
    private: Path
    by: str
    decide: Callable[[Standing, int], list[Change]]
    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def make(self) -> tuple[list[Change], int]:
        signer = public_of(self.private).fingerprint
        # Its start ends what the last try left open.
        with SoleWriter(self.kafka, RELEASES, f"riskstream-releases-{signer}") as writer:
            at = time.time_ns() // 1_000_000
            standing = read_standing(self.kafka)
            if (appended_at := self._appended_at(standing)) is not None:
                return self.changes, appended_at
            self.records, self.changes = [], self.decide(standing, at)
            for each in self.changes:
                self.records += each.records
                frame = head_frame(each.head, self.private, at, self.by)
                self.records.append((head_key(each.head.feature_set, signer), frame))
            if self.records:
                writer.commit(self.records)
            return self.changes, writer.appended_at or at

    def _appended_at(self, standing: Standing) -> int | None:
        """When the last try's records were appended; None where they do not all stand there."""
        there = (
            {(each.key, each.value): each.appended_at for each in standing.records}
            if self.records
            else {}
        )
        found = [there.get(each) for each in self.records]
        return (
            max((each for each in found if each is not None), default=None)
            if None not in found
            else None
        )


def _decoded(frame: bytes) -> dict[str, Any]:
    return when_known(lambda: codec(CONTRACT).decode(frame), _SCHEMA_S)
