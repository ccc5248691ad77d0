"""What releases.v1 says, as far as the signatures of one signer hold.

Who can write the topic but has no key can delete or repeat records, and gains nothing by it: a
repeated head has a number that was seen, a repeated content is listed by no head, a deleted record
is still remembered by who read it. A head that was signed on top of an old one brings nothing back:
of each release what was said last counts, of all heads that were ever read.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from riskstream.domain.contracts.bounds import largest_frame
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.adapters.release import Release, read_bytes
from riskstream.platform.adapters.release_records import (
    CONTRACT,
    RELEASES,
    Active,
    Head,
    content_key,
    content_of,
    head_key,
    head_of,
    said_by,
)
from riskstream.platform.adapters.signing import PublicKey
from riskstream.runtime.errors import Fatal, Rejected

KEPT_LISTED, KEPT_SPARE = 3, 2
"""Contents kept in memory: of the first active releases, and of the last read ones that no head
lists yet.
"""
MAX_WAITING, MAX_KEY_BYTES = 16, 1024
_MAX_TOLD = 10_000

OnRefused = Callable[[str, str], None]


class Channel:
    """What one signer says of one feature set, from records of releases.v1 in any order and any
    number of times.

    `on_refused` is told once of each record that is wrong: (its key, why).
    """

    def __init__(self, public: PublicKey, feature_set: str, on_refused: OnRefused) -> None:
        self.public, self.feature_set = public, feature_set
        self._on_refused = on_refused
        self._contents: dict[str, bytes] = {}
        self._waiting: dict[bytes, bytes] = {}
        self._told: set[bytes] = set()
        self._is_recalling = False
        self.head: Head | None = None
        """All that was said, of each release what was said last."""
        self._heads: dict[int, tuple[Head, bytes]] = {}
        self.past_heads: set[int] = set()
        """Numbers of records that say nothing which `head_frames` do not."""
        self.unsigned: dict[str, str] = {}
        """Key and status of records by versions before signed heads, of this feature set."""
        self.is_history = False
        """True while the topic is read again: heads that were seen before are no copies then."""

    @property
    def head_frames(self) -> dict[int, bytes]:
        """By number the records that `head` comes from, for who remembers them elsewhere: mostly
        the last one says it all.
        """
        return {number: frame for number, (_, frame) in self._heads.items()}

    def take(self, key: bytes | None, frame: bytes | None) -> None:
        """Look at a record. Raises nothing: a record that is wrong is told and left out."""
        if key is None or frame is None:
            return  # deleted, perhaps by one without a key: what was read stays
        if len(frame) > largest_frame(CONTRACT) or len(key) > MAX_KEY_BYTES:
            self._refuse(key, frame, f"it has {len(frame):,} bytes under a key of {len(key):,}")
            return
        try:
            record = codec(CONTRACT).decode(frame)
        except SchemaWait:
            if len(self._waiting) < MAX_WAITING:
                self._waiting[key] = frame
            return
        except Rejected as error:
            self._refuse(key, frame, f"it cannot be read: {error}")
            return
        if why := self._taken(key, frame, record):
            self._refuse(key, frame, why)

    def take_waiting(self) -> bool:
        """Look again at records whose schema was not known; True where none waits any more."""
        waiting, self._waiting = self._waiting, {}
        for key, frame in waiting.items():
            self.take(key, frame)
        return not self._waiting

    def take_remembered(self, frame: bytes) -> None:
        """A record that was remembered elsewhere, without its key."""
        try:
            key = str(codec(CONTRACT).decode(frame)["release_id"])
        except (Rejected, SchemaWait):  # by another version, say: the topic has it too
            return
        self._is_recalling = True
        self.take(key.encode(), frame)
        self._is_recalling = False

    def content_frame(self, entry: Active) -> bytes | None:
        """The record of a listed release's content, if it was read."""
        return self._contents.get(entry.sha256)

    def release(self, entry: Active) -> Release | None:
        """A listed release whose content is here, whole by its own signature too. Fatal where it is
        not what is listed.
        """
        frame = self.content_frame(entry)
        if frame is None:
            return None
        raw = content_of(codec(CONTRACT).decode(frame))
        found = read_bytes(raw, self.public, f"{RELEASES}, release {entry.release_id}")
        if found.release_id != entry.release_id:
            raise Fatal(
                what=f"its content is release {found.release_id}",
                where=RELEASES,
                do="activate the file again",
            )
        return found

    def _taken(self, key: bytes, frame: bytes, record: dict[str, Any]) -> str:
        """Why the record is refused; empty where it is not."""
        if not record["signer"]:
            if record["feature_set"] == self.feature_set and len(self.unsigned) < _MAX_TOLD:
                self.unsigned[key.decode("utf-8", "replace")] = record["status"]
            return ""
        mine = self.public.fingerprint
        if record["signer"] != mine:
            is_head = not record["content_base64"] and record["feature_set"] == self.feature_set
            return f"it names signer {record['signer'][:40]!r}, not {mine}" if is_head else ""
        said = said_by(record, self.public)
        if said is None:
            return f"its signature is not of key {mine}"
        if said.get("feature_set") != self.feature_set:
            return ""
        if said.get("kind") == "head":
            return self._take_head(key, said, frame)
        if said.get("kind") == "content":
            return self._take_content(key, said, record, frame)
        return "it says nothing that this riskstream knows"

    def _take_head(self, key: bytes, said: dict[str, Any], frame: bytes) -> str:
        if key != head_key(self.feature_set, self.public.fingerprint):
            return "its key is not that of its head"
        try:
            head = head_of(said)
        except ValueError as error:
            return f"its statement cannot be read: {error}"
        known = self.head
        if known is not None and head.number <= known.number and not self._is_recalling:
            is_known = self.is_history or head.number == known.number
            return (
                ""
                if is_known
                else (
                    f"its number {head.number} is not above {known.number}: a copy of an old record"
                )
            )
        self._hold(head, frame)
        merged = self.head = head if known is None else known.merged(head)
        self._prune()
        back = [each.release_id for each in head.active if merged.is_withdrawn(each.release_id)]
        return (
            f"it still lists {', '.join(back)}, withdrawn since: withdraw it again" if back else ""
        )

    def _hold(self, head: Head, frame: bytes) -> None:
        """Keep the record for as long as no other says all that it does."""
        held = self._heads
        if any(
            each.number > head.number and each.merged(head).says_as(each)
            for each, _ in held.values()
        ):
            self.past_heads.add(head.number)
            return
        for number in [
            number for number, (each, _) in held.items() if head.merged(each).says_as(head)
        ]:
            del held[number]
            self.past_heads.add(number)
        held[head.number] = head, frame
        self.past_heads.discard(head.number)

    def _take_content(
        self, key: bytes, said: dict[str, Any], record: dict[str, Any], frame: bytes
    ) -> str:
        if key != content_key(str(said.get("release_id")), self.public.fingerprint):
            return "its key is not that of its release"
        raw = content_of(record)
        found = hashlib.sha256(raw).hexdigest()
        if found != said.get("sha256"):
            return "its content is not the one that was signed"
        self._contents[found] = frame
        self._prune()
        return ""

    def _prune(self) -> None:
        listed = [each.sha256 for each in self.head.active] if self.head else []
        spare = [each for each in self._contents if each not in listed[:KEPT_LISTED]]
        for each in spare[:-KEPT_SPARE]:
            del self._contents[each]

    def _refuse(self, key: bytes, frame: bytes, why: str) -> None:
        mark = hashlib.sha256(key + b"\0" + frame).digest()
        if mark in self._told:
            return
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told.add(mark)
        self._on_refused(key[:80].decode("utf-8", "replace"), why)
