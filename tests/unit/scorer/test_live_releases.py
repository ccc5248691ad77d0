"""Which release a scorer decides by, whatever releases.v1 holds and in whatever order; and what is
refused, once.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.adapters.release import Release, pack
from riskstream.platform.adapters.release_channel import Channel
from riskstream.platform.adapters.release_records import (
    Active,
    Head,
    Withdrawn,
    content_frame,
    content_key,
    head_frame,
    head_key,
)
from riskstream.platform.adapters.signing import PublicKey, make_keys, public_of
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.scorer.live_releases import LiveReleases, ModelSlot
from riskstream.scorer.models import NO_MODEL, Loaded
from riskstream.scorer.policy import Policy

SET = STANDARD.label


class Remembered:
    """A memory in this process."""

    def __init__(self) -> None:
        self.heads: dict[int, bytes] = {}
        self.contents: dict[str, bytes] = {}
        self.is_away = False

    def read(self) -> list[bytes]:
        return [*self.heads.values(), *self.contents.values()]

    def keep(self, heads: dict[int, bytes], past: set[int], contents: dict[str, bytes]) -> None:
        if self.is_away:
            raise Retryable(what="away", where="memory")
        self.heads = {
            number: frame for number, frame in {**self.heads, **heads}.items() if number not in past
        }
        self.contents = {name: frame or self.contents[name] for name, frame in contents.items()}


class Signer:
    """Somebody with a key: packs, activates and withdraws, and gives the records."""

    def __init__(self, folder: Path, name: str) -> None:
        self.private = folder / name
        make_keys(self.private)
        self.public = public_of(self.private)
        self.folder = folder / f"{name}-models"
        self.head = Head(feature_set=SET, number=0)
        self.files: dict[str, bytes] = {}

    def pack(self, version: str) -> str:
        """A release file whose model is text alone: nothing here loads it."""
        folder = self.folder / version
        folder.mkdir(parents=True)
        for name in ("model.onnx", "reasons.npz", "card.html"):
            (folder / name).write_text(f"{name} of {version}")
        card = {
            "feature_set": SET,
            "names": list(STANDARD.names),
            "version": version,
            "thresholds": {},
            "metrics": {},
            "trained_on": {},
        }
        (folder / "model.json").write_text(json.dumps(card))
        release_id, raw = pack(folder, STANDARD, self.private, 1)
        self.files[release_id] = raw
        return release_id

    def content(self, release_id: str, raw: bytes | None = None) -> tuple[bytes, bytes]:
        raw = self.files[release_id] if raw is None else raw
        release = Release(release_id=release_id, manifest={"feature_set": SET}, files={})
        return content_key(release_id, self.public.fingerprint), content_frame(
            raw, release, self.private, 5, "ann"
        )

    def activate(self, release_id: str) -> tuple[bytes, bytes]:
        import hashlib

        sha256 = hashlib.sha256(self.files[release_id]).hexdigest()
        self.head = self.head.activated(
            Active(release_id=release_id, sha256=sha256, at=0, by="ann")
        )
        return self.signed(self.head)

    def withdraw(self, release_id: str) -> tuple[bytes, bytes]:
        self.head = self.head.without(Withdrawn(release_id=release_id, at=0))
        return self.signed(self.head)

    def signed(self, head: Head) -> tuple[bytes, bytes]:
        return head_key(head.feature_set, self.public.fingerprint), head_frame(
            head, self.private, 5, "ann"
        )


class Scorer:
    """LiveReleases with a topic that is a list; `used` is what it decides by: a release id, `base`
    or `nothing`.
    """

    def __init__(
        self,
        public: PublicKey,
        memory: Remembered,
        log: Sequence[tuple[bytes, bytes | None]],
        *,
        base: str | None = "base",
        refuses: tuple[str, ...] = (),
    ) -> None:
        self.log, self._refuses = list(log), refuses
        self.refused: list[tuple[str, str]] = []
        self.loads: list[str] = []
        base_model = (
            None if base is None else (NO_MODEL[0], _policy("" if base == "base" else base))
        )
        self.in_use: Loaded = base_model or NO_MODEL
        tell: Callable[[str, str], None] = lambda key, why: self.refused.append((key, why))  # noqa: E731  short
        channel = Channel(public, SET, tell)
        self.live = LiveReleases(
            channel, memory, ModelSlot(base_model, self._load, self._use), self._reread, tell
        )
        self._restart_reading()

    def _restart_reading(self) -> None:
        self.live.begin()
        for at, (key, value) in enumerate(self.log):
            self.live.take(_record(key, value, at))
        self.live.settle()

    reconnect = _restart_reading

    def say(self, *records: tuple[bytes, bytes | None]) -> bool:
        for key, value in records:
            self.log.append((key, value))
            self.live.take(_record(key, value, len(self.log)))
        return self.live.settle()

    @property
    def used(self) -> str:
        if self.in_use is NO_MODEL:
            return "nothing"
        return self.in_use[1].release_id or "base"

    def _load(self, release: Release) -> Loaded:
        self.loads.append(release.release_id)
        if release.release_id in self._refuses:
            raise Fatal(what="made for something else", where="x", do="x")
        return NO_MODEL[0], _policy(release.release_id)

    def _use(self, loaded: Loaded) -> None:
        self.in_use = loaded

    def _reread(self, keys: set[bytes]) -> list[Record]:
        return [_record(key, value, at) for at, (key, value) in enumerate(self.log) if key in keys]


def _policy(release_id: str) -> Policy:
    return Policy(
        model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES, release_id=release_id
    )


def _record(key: bytes, value: bytes | None, offset: int) -> Record:
    return Record(
        topic="releases.v1",
        partition=0,
        offset=offset,
        appended_at=0,
        key=key,
        value=value,
        headers=[],
    )


@pytest.fixture
def ann(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "ann")


def _started(ann: Signer, **given: Any) -> tuple[Scorer, str, str]:
    """A scorer that decides by the second of two active releases."""
    one, two = ann.pack("one"), ann.pack("two")
    scorer = Scorer(ann.public, Remembered(), [], **given)
    scorer.say(ann.content(one), ann.activate(one))
    assert scorer.used == one
    # in another partition the content may come later
    scorer.say(ann.activate(two), ann.content(two))
    assert scorer.used == two
    assert scorer.refused == []
    return scorer, one, two


def test_a_withdrawal_goes_back_by_what_is_loaded_and_at_last_to_what_it_was_started_with(
    ann: Signer,
) -> None:
    scorer, one, two = _started(ann)
    loads = list(scorer.loads)
    scorer.say(ann.withdraw(two))
    assert scorer.used == one
    scorer.say(ann.withdraw(one))
    assert scorer.used == "base"
    assert scorer.loads == loads, "nothing had to be loaded first"
    scorer.say(ann.activate(two))
    assert scorer.used == two, "the content is found again"


def test_a_withdrawn_release_is_left_also_where_it_was_given_as_a_file_or_nothing_else_is_there(
    ann: Signer,
) -> None:
    one = ann.pack("one")
    for base in (one, None):
        log = [ann.content(one), ann.activate(one), ann.withdraw(one)]
        scorer = Scorer(ann.public, Remembered(), list(log), base=base)
        assert scorer.used == "nothing"
        assert scorer.live.has_head
        scores = NO_MODEL[0].predict(np.zeros((3, 2), np.float32))
        assert scores.shape == (3,)
        assert np.isnan(scores).all(), "every payment is reviewed"
        ann.head = Head(feature_set=SET, number=0)


def test_copies_deletions_and_records_without_a_signature_change_nothing(ann: Signer) -> None:
    one, two = ann.pack("one"), ann.pack("two")
    scorer = Scorer(ann.public, memory := Remembered(), [])
    scorer.say(ann.content(one), ann.content(two), ann.activate(one), by_two := ann.activate(two))
    scorer.say(ann.withdraw(two))
    unsigned = codec("release.v1").encode(
        {
            "release_id": two,
            "feature_set": SET,
            "status": "ACTIVE",
            "content_base64": "UEs=",
            "changed_at": 2**50,
            "changed_by": "",
        }
    )
    forged = codec("release.v1").decode(by_two[1])
    forged["statement"] = forged["statement"].replace(
        f'"number":{ann.head.number - 1}', f'"number":{ann.head.number + 9}'
    )
    assert forged["statement"] != codec("release.v1").decode(by_two[1])["statement"]
    moved = by_two[0].replace(b"standard", b"handbook"), by_two[1]
    for _ in range(3):
        scorer.say(
            by_two,
            moved,
            (two.encode(), unsigned),
            (by_two[0], codec("release.v1").encode(forged)),
            (by_two[0], b"junk"),
            (by_two[0], None),
            (ann.content(two)[0], b"\0\0\0\0\0"),
        )
        assert scorer.used == one
    why = [why for _, why in scorer.refused]
    assert len(why) == len(set(scorer.refused)) == 6, "each once"
    for words in (
        "a copy of an old record",
        "its key is not that of its head",
        "not signed",
        "its signature is not of",
        "cannot be read",
    ):
        assert any(words in each for each in why), words
    scorer.reconnect()
    assert scorer.used == one
    assert len(scorer.refused) == 6, "nothing is told again"
    # everything deleted by tombstones and compaction, and the old head in its place
    again = Scorer(ann.public, memory, [by_two, ann.content(two)])
    assert again.used == one
    again.say((by_two[0], None))
    assert again.used == one


def test_a_head_that_was_signed_on_top_of_an_old_one_brings_nothing_back(ann: Signer) -> None:
    """The topic was emptied, an old head put in its place, and the signer withdrew the other
    release.
    """
    one, two = ann.pack("one"), ann.pack("two")
    scorer = Scorer(ann.public, memory := Remembered(), [])
    scorer.say(ann.content(one), ann.content(two), ann.activate(one), by_two := ann.activate(two))
    tricked = ann.head
    scorer.say(ann.withdraw(two))
    ann.head = Head(feature_set=SET, number=ann.head.number, active=tricked.active)
    on_top = ann.withdraw(one)
    scorer.say(on_top)
    assert scorer.used == "base"
    assert any("withdrawn since" in why for _, why in scorer.refused)
    assert Scorer(ann.public, memory, [by_two, on_top, ann.content(two)]).used == "base"
    ann.head = ann.head.activated(Active(release_id=two, sha256=tricked.active[0].sha256, at=0))
    scorer.say(ann.signed(ann.head))
    assert scorer.used == two, "activated anew, knowingly"
    assert len(memory.heads) == 1, "it says all that those before did"


def test_another_key_has_contents_and_heads_of_its_own(ann: Signer, tmp_path: Path) -> None:
    bob = Signer(tmp_path, "bob")
    bob.folder = tmp_path / "bobs"
    scorer, one, two = _started(ann)
    assert bob.pack("one") == one, "the same model has the same id"
    scorer.say(bob.content(one), bob.activate(one), bob.withdraw(two))
    assert scorer.used == two
    assert [why for _, why in scorer.refused if "names signer" in why]
    # bob's release in a record that names ann, and ann's id over bob's content
    stolen = codec("release.v1").decode(bob.activate(one)[1]) | {"signer": ann.public.fingerprint}
    scorer.say((head_key(SET, ann.public.fingerprint), codec("release.v1").encode(stolen)))
    assert scorer.used == two
    scorer.say(ann.withdraw(two))
    assert scorer.used == one


def test_an_id_whose_content_is_another_release_is_refused_and_the_one_before_stays(
    ann: Signer,
) -> None:
    scorer, _, two = _started(ann)
    three = ann.pack("three")
    ann.files["0123456789ab"] = ann.files[three]
    scorer.say(ann.content("0123456789ab"), ann.activate("0123456789ab"))
    assert scorer.used == two
    assert f"its content is release {three}" in scorer.refused[-1][1]
    key, frame = ann.content(three)
    altered = codec("release.v1").decode(frame) | {"content_base64": "AAAA"}
    scorer.say((key, codec("release.v1").encode(altered)))
    assert scorer.refused[-1][1] == "its content is not the one that was signed"


def test_one_that_cannot_be_loaded_is_told_once_and_also_left_out_by_a_scorer_that_starts(
    ann: Signer,
) -> None:
    one, two = ann.pack("one"), ann.pack("two")
    log = [ann.content(one), ann.content(two), ann.activate(one), ann.activate(two)]
    scorer = Scorer(ann.public, Remembered(), log, refuses=(two,))
    assert scorer.used == one
    scorer.reconnect()
    assert scorer.refused == [(two, "made for something else (x): x")]


def test_a_content_that_is_gone_is_read_again_told_once_and_taken_up_when_it_comes(
    ann: Signer,
) -> None:
    names = [ann.pack(f"m{n}") for n in range(9)]
    log = [ann.content(each) for each in names]
    log += [ann.activate(each) for each in names]
    scorer = Scorer(ann.public, memory := Remembered(), [each for each in log if each != log[8]])
    assert scorer.used == names[7], "one of nine contents; not all are kept in memory"
    assert next(why for key, why in scorer.refused if key == names[8]).startswith(
        "its content is not on releases.v1"
    )
    assert not scorer.say((b"x", None)), "it is tried again"
    assert scorer.say(log[8])
    assert scorer.used == names[8]
    assert len(scorer.refused) == 1
    for each in (8, 7, 6, 5, 4):
        scorer.say(ann.withdraw(names[each]))
        assert scorer.used == names[each - 1]
    assert set(Scorer(ann.public, memory, []).loads) == {names[3], names[2]}, "both from memory"


def test_what_could_not_be_remembered_is_remembered_later(ann: Signer) -> None:
    one = ann.pack("one")
    scorer = Scorer(ann.public, memory := Remembered(), [])
    memory.is_away = True
    assert not scorer.say(ann.content(one), ann.activate(one))
    assert scorer.used == one, "it acts at once"
    memory.is_away = False
    assert scorer.say()
    assert Scorer(ann.public, memory, []).used == one


def test_the_number_rises_whatever_the_clock_says_and_lists_have_an_end() -> None:
    head = Head(feature_set=SET, number=2**45).activated(Active(release_id="a", sha256="", at=7))
    assert head.number == 2**45 + 1
    for number in range(300):
        head = head.without(Withdrawn(release_id=f"w{number}", at=0, by="b" * 128, why="€" * 256))
    assert len(head.withdrawn) == 200
    assert head.withdrawn[0].release_id == "w299"
    assert head.is_active("a")


def test_a_content_listed_under_an_id_of_its_own_spoils_neither_the_release_nor_its_withdrawal(
    ann: Signer,
) -> None:
    scorer, one, two = _started(ann)
    ann.files["0123456789ab"] = ann.files[two]
    scorer.say(ann.content("0123456789ab"), ann.activate("0123456789ab"))
    assert scorer.used == two
    assert [why for key, why in scorer.refused if key == "0123456789ab"] == [
        f"its content is release {two} (releases.v1): activate the file again"
    ]
    again = Scorer(ann.public, Remembered(), list(scorer.log))
    assert again.used == two, "refused by its name, not by what it holds"
    scorer.say(ann.withdraw(two))
    assert scorer.used == one
