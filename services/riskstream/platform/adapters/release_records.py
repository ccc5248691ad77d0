"""Records of releases.v1: contents of releases and heads, each with a signed statement of all that
scorers act on.

A head says which releases of a feature set are active, the newest first, and which were withdrawn,
under a number that only rises. What a record says outside of its signed statement is for people and
for older versions.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from riskstream.domain.contracts.bounds import bounds_of
from riskstream.domain.contracts.codec import codec
from riskstream.platform.adapters.release import Release
from riskstream.platform.adapters.signing import PublicKey, public_of, sign
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

RELEASES = "releases.v1"
CONTRACT = "release.v1"
MAX_ACTIVE, MAX_WITHDRAWN = 50, 200
"""Entries of a head; the oldest are left out."""
MAX_BY, MAX_WHY = 128, 256
"""Characters."""
MAX_NUMBER = 2**53
"""Numbers are milliseconds since 1970 at the least; Redis compares them as doubles."""
_DOMAIN = b"riskstream statement 1\n"
"""Stands before what is signed, so that a signature of a manifest is never one of a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A release that scorers may decide by since the head of number `at`: its content has this
    SHA-256.
    """

    release_id: str
    sha256: str
    at: int
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A release that no scorer decides by since the head of number `at`, wherever it came from."""

    release_id: str
    at: int
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What one signer says of the releases of one feature set, the newest first.

    `number` is at least the moment it was signed, in ms since 1970 UTC, and above that of the head
    before.
    """

    feature_set: str
    number: int
    active: tuple[Active, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()

    def is_active(self, release_id: str) -> bool:
        return any(each.release_id == release_id for each in self.active)

    def is_withdrawn(self, release_id: str) -> bool:
        return any(each.release_id == release_id for each in self.withdrawn)

    def activated(self, entry: Active) -> "Head":
        """The head after this one, by which the release is the newest active one."""
        number = max(self.number + 1, entry.at)
        return self._with(number, (replace(entry, at=number),), ())

    def without(self, entry: Withdrawn) -> "Head":
        """The head after this one, by which nobody decides by the release."""
        number = max(self.number + 1, entry.at)
        return self._with(number, (), (replace(entry, at=number),))

    def merged(self, other: "Head") -> "Head":
        """Of each release what was said last, of both heads; a withdrawal where both were said at
        once.
        """
        return self._with(max(self.number, other.number), other.active, other.withdrawn)

    def says_as(self, other: "Head") -> bool:
        """True where both say the same of every release."""
        return (self.active, self.withdrawn) == (other.active, other.withdrawn)

    def _with(
        self, number: int, active: tuple[Active, ...], withdrawn: tuple[Withdrawn, ...]
    ) -> "Head":
        newest: dict[str, Active | Withdrawn] = {}
        said: list[Active | Withdrawn] = [*self.active, *active, *self.withdrawn, *withdrawn]
        for each in said:
            held = newest.get(each.release_id)
            if held is None or each.at >= held.at:
                newest[each.release_id] = each
        ordered = sorted(newest.values(), key=lambda each: (-each.at, each.release_id))
        return Head(
            feature_set=self.feature_set,
            number=number,
            active=tuple(each for each in ordered if isinstance(each, Active))[:MAX_ACTIVE],
            withdrawn=tuple(each for each in ordered if isinstance(each, Withdrawn))[
                :MAX_WITHDRAWN
            ],
        )


def content_key(release_id: str, signer: str) -> bytes:
    """Key of a content's record: the same release of another signer is another record."""
    return f"{release_id}.{signer}".encode()


def head_key(feature_set: str, signer: str) -> bytes:
    """Key of a head's record."""
    return f"head.{feature_set}.{signer}".encode()


def content_frame(raw: bytes, release: Release, private: Path, at_ms: int, by: str) -> bytes:
    """The record of a release file, signed. Fatal where it is too large for the topic."""
    most = bounds_of(CONTRACT)["content_base64"].max_bytes
    assert most is not None
    if len(raw) > most // 4 * 3 - 3:
        raise Fatal(
            what=f"the release has {len(raw):,} bytes, {most // 4 * 3 - 3:,} are allowed",
            where=RELEASES,
            do="train fewer or smaller trees",
            exit_code=Exit.INPUT,
        )
    feature_set = release.manifest["feature_set"]
    said = {
        "kind": "content",
        "release_id": release.release_id,
        "feature_set": feature_set,
        "sha256": hashlib.sha256(raw).hexdigest(),
    }
    record = {
        "release_id": content_key(release.release_id, public_of(private).fingerprint).decode(),
        "feature_set": feature_set,
        "content_base64": base64.b64encode(raw).decode(),
        "changed_at": at_ms,
        "changed_by": by,
    }
    return _signed(record, said, private)


def head_frame(head: Head, private: Path, at_ms: int, by: str) -> bytes:
    """The record of a head, signed."""
    record = {
        "release_id": head_key(head.feature_set, public_of(private).fingerprint).decode(),
        "feature_set": head.feature_set,
        "content_base64": "",
        "changed_at": at_ms,
        "changed_by": by,
    }
    return _signed(record, {"kind": "head", **asdict(head)}, private)


def _signed(record: dict[str, Any], said: dict[str, Any], private: Path) -> bytes:
    """`status` is UNKNOWN: versions before signed heads leave such records alone."""
    statement = json.dumps(said, sort_keys=True, separators=(",", ":"))
    signature = base64.b64encode(sign(private, _DOMAIN + statement.encode())).decode()
    signer = public_of(private).fingerprint
    return codec(CONTRACT).encode(
        {
            **record,
            "status": "UNKNOWN",
            "signer": signer,
            "statement": statement,
            "signature": signature,
        }
    )


def said_by(record: dict[str, Any], public: PublicKey | None) -> dict[str, Any] | None:
    """A record's statement; with `public` only where its signature holds. None where it has none
    that holds.
    """
    most = bounds_of(CONTRACT)["statement"].max_bytes
    statement = record["statement"].encode()
    if most is None or len(statement) > most or len(record["signature"]) > 200:
        return None
    try:
        signature = base64.b64decode(record["signature"], validate=True)
        if public is not None and not public.is_signed(_DOMAIN + statement, signature):
            return None
        said = json.loads(statement)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def head_of(said: dict[str, Any]) -> Head:
    """A head's statement. ValueError where it is none."""
    try:
        head = Head(
            feature_set=_text(said["feature_set"]),
            number=_whole(said["number"]),
            active=tuple(_active_of(each) for each in said["active"]),
            withdrawn=tuple(_withdrawn_of(each) for each in said["withdrawn"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the statement of a head lacks or misuses {error}") from error
    if not 0 < head.number < MAX_NUMBER:
        raise ValueError(f"a head's number is above 0 and below 2^53, not {head.number}")
    return head


def _active_of(said: dict[str, Any]) -> Active:
    return Active(
        release_id=_text(said["release_id"]),
        sha256=_text(said["sha256"]),
        at=_whole(said["at"]),
        by=_text(said["by"]),
    )


def _withdrawn_of(said: dict[str, Any]) -> Withdrawn:
    return Withdrawn(
        release_id=_text(said["release_id"]),
        at=_whole(said["at"]),
        by=_text(said["by"]),
        why=_text(said["why"]),
    )


def content_of(record: dict[str, Any]) -> bytes:
    """The release file of a content's record; empty where it is not base64."""
    try:
        return base64.b64decode(record["content_base64"], validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} in place of a text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r:.40} in place of a number")
    return value
