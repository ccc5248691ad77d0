"""Which release a scorer decides by while it runs: the newest active one of its signer's head, and
never a withdrawn one.

What is withdrawn is left at once for what is loaded already: the next active release, the model
that the scorer was started with, or, where neither may be used, no model: every payment is reviewed
then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.adapters.redis_releases import RedisReleases
from riskstream.platform.adapters.release import Release
from riskstream.platform.adapters.release_channel import Channel
from riskstream.platform.adapters.release_records import RELEASES, Active, Head, content_key
from riskstream.platform.adapters.signing import PublicKey
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.clients.table import RETRY_S, TopicFollower
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import InForceMetrics
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.scorer.decider import Decider
from riskstream.scorer.models import NO_MODEL, Loaded, load_read
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("releases")
KEPT = 2
"""Of the first active releases: loaded, and their contents in Redis, so that a withdrawal needs
nobody.
"""
_FIRST_READ_S, _REREAD_S = 30.0, 20.0


class Memory(Protocol):
    """Where the newest head and the contents in use outlive this process and the topic."""

    def read(self) -> list[bytes]: ...

    def keep(self, heads: dict[int, bytes], past: set[int], contents: dict[str, bytes]) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelSlot:
    """Holds the model that decides. `base`: the one of the start, if any; `load` makes one of a
    release; `use` puts it in.
    """

    base: Loaded | None
    load: Callable[[Release], Loaded]
    use: Callable[[Loaded], None]


class LiveReleases:
    """A follower's sink. `slot`: what it fills; `reread` gives the records of keys again.

    Retryable where the memory does not answer: without it an old head could pass for the newest.
    """

    def __init__(
        self,
        channel: Channel,
        memory: Memory,
        slot: ModelSlot,
        reread: Callable[[set[bytes]], list[Record]],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._channel, self._memory, self._slot = channel, memory, slot
        self._reread, self._on_refused = reread, on_refused
        self._remembered: tuple[bytes, ...] = _frames_of(memory)
        self._is_begun = self._is_settled = False
        self._in_use: Loaded | None = slot.base
        self._loaded: dict[str, Loaded] = {}
        self._refused: set[str] = set()
        self._missing: dict[str, float] = {}
        self._told_missing: set[str] = set()
        self._kept: tuple[frozenset[int], frozenset[str]] = (frozenset(), frozenset())

    @property
    def has_head(self) -> bool:
        """True where the signer has ever said which releases are active."""
        return self._channel.head is not None

    def begin(self) -> None:
        self._channel.is_history, self._is_begun = self._is_begun, True

    def take(self, record: Record) -> None:
        self._channel.take(record.key, record.value)

    def settle(self) -> bool:
        """Leave what is withdrawn, take up what is active, remember it; False where something of it
        has to be tried again.
        """
        self._recall()
        is_done = self._channel.take_waiting()
        head = self._channel.head
        self._tell_unsigned(head)
        if head is None:
            return is_done
        self._leave(head)
        is_done &= self._take_up(head)
        self._is_settled = True
        return self._remember(head) and is_done

    def _recall(self) -> None:
        """What was remembered, once the topic was read."""
        for frame in self._remembered:
            self._channel.take_remembered(frame)
        self._remembered = ()
        self._channel.is_history = False

    def _leave(self, head: Head) -> None:
        """Where what is in use is no longer allowed: something that is, at once."""
        if self._is_allowed(head, self._in_use):
            return
        listed = (self._loaded[_name(each)] for each in head.active if _name(each) in self._loaded)
        self._turn_to(next(listed, self._fallback(head)))

    def _take_up(self, head: Head) -> bool:
        """The newest active release that can be loaded; then the next one is loaded too, for the
        day it is needed.
        """
        is_done = True
        ready: list[str] = []
        for entry in head.active:
            loaded, is_missing = self._ready(entry)
            is_done &= not is_missing
            if loaded is None:
                continue
            if not ready:
                self._turn_to(loaded)
            ready.append(_name(entry))
            if len(ready) == KEPT:
                break
        if not ready:
            self._turn_to(self._fallback(head))
        self._loaded = {each: self._loaded[each] for each in ready}
        return is_done

    def _ready(self, entry: Active) -> tuple[Loaded | None, bool]:
        """(loaded, False), or (None, whether its content is missing); one that cannot be loaded is
        told once.
        """
        if _name(entry) in self._loaded:
            return self._loaded[_name(entry)], False
        if _name(entry) in self._refused:
            return None, False
        if self._channel.content_frame(entry) is None:
            self._fetch(entry)
        try:
            release = self._channel.release(entry)
            if release is None:
                return None, True
            self._loaded[_name(entry)] = self._slot.load(release)
        except Fatal as error:
            self._refused.add(_name(entry))
            self._on_refused(entry.release_id, str(error))
            return None, False
        except Exception as error:
            # no disk, no memory, or a fault of ours: told once, and tried again
            log.exception("a release cannot be loaded; trying again", release=entry.release_id)
            if _name(entry) not in self._told_missing:
                self._told_missing.add(_name(entry))
                self._on_refused(entry.release_id, f"it cannot be loaded: {error!r}")
            return None, True
        self._missing.pop(_name(entry), None)
        return self._loaded[_name(entry)], False

    def _fetch(self, entry: Active) -> None:
        """Look for a content that is not in memory; told once where it is gone. That of a new head
        may still be on its way.
        """
        now, head = time.monotonic(), self._channel.head
        since = self._missing.setdefault(_name(entry), now)
        is_new = head is not None and entry.at == head.number
        if self._is_settled and is_new and now - since < RETRY_S / 2:
            return
        for record in self._reread(
            {content_key(entry.release_id, self._channel.public.fingerprint)}
        ):
            self.take(record)
        if self._channel.content_frame(entry) is None and _name(entry) not in self._told_missing:
            self._told_missing.add(_name(entry))
            why = (
                f"its content is not on {RELEASES}, deleted or overwritten: activate its file again"
            )
            self._on_refused(entry.release_id, why)

    def _fallback(self, head: Head) -> Loaded:
        if self._slot.base is not None and not head.is_withdrawn(self._slot.base[1].release_id):
            return self._slot.base
        return NO_MODEL

    def _is_allowed(self, head: Head, used: Loaded | None) -> bool:
        if used is None or used is NO_MODEL:
            return True
        if used is self._slot.base:
            return not head.is_withdrawn(used[1].release_id)
        return any(self._loaded.get(_name(each)) is used for each in head.active)

    def _turn_to(self, loaded: Loaded) -> None:
        if loaded is self._in_use:
            return
        self._in_use = loaded
        self._slot.use(loaded)
        policy = loaded[1]
        if loaded is NO_MODEL:
            log.error(
                "no release may be used and no other model was given: every payment is "
                "reviewed (flag no_score)"
            )
        else:
            log.info("release", release=policy.release_id or "none", model=policy.model_version)

    def _remember(self, head: Head) -> bool:
        """True where the memory holds the head and the contents in use."""
        wanted = [each for each in head.active if _name(each) in self._loaded]
        heads = self._channel.head_frames
        now = frozenset(heads), frozenset(each.sha256 for each in wanted)
        if now == self._kept:
            return True
        contents = {each.sha256: self._channel.content_frame(each) or b"" for each in wanted}
        try:
            self._memory.keep(heads, self._channel.past_heads, contents)
        except (Retryable, Fatal) as error:
            log.warning("the head is not remembered yet", why=str(error))
            return False
        self._kept = now
        return True

    def _tell_unsigned(self, head: Head | None) -> None:
        for key, status in self._channel.unsigned.items():
            is_known = head is not None and head.is_active(key)  # a leftover of before the upgrade
            if status == "ACTIVE" and not is_known and key not in self._refused:
                self._refused.add(key)
                self._on_refused(
                    key,
                    "its activation is not signed: run `riskstream release adopt`, or "
                    "activate its file again",
                )


def _name(entry: Active) -> str:
    """An id and a content: whoever lists another release's content under an id of his own spoils
    neither.
    """
    return f"{entry.release_id}.{entry.sha256}"


def _frames_of(memory: Memory) -> tuple[bytes, ...]:
    end = time.monotonic() + _FIRST_READ_S
    while True:
        try:
            return tuple(memory.read())
        except Retryable as error:
            if time.monotonic() > end:
                raise
            log.warning("the newest head is not known yet", why=str(error))
            time.sleep(1.0)


def follow_releases(
    settings: ScorerSettings,
    key: PublicKey,
    features: FeatureSet,
    decider: Decider,
    metrics: InForceMetrics,
    base: Loaded | None,
) -> TopicFollower:
    """A follower, started: the scorer decides by what is active. Fatal where nothing was ever
    activated and there is no base.

    Retryable where Kafka or Redis does not answer in half a minute.
    """

    def on_refused(record: str, why: str) -> None:
        metrics.releases_refused.inc()
        log.error("a release is refused; the present one stays in use", release=record, why=why)

    def use(loaded: Loaded) -> None:
        decider.next_model = loaded
        metrics.use_engine(loaded[1].engine)

    def reread(keys: set[bytes]) -> list[Record]:
        with TopicReader(settings.kafka, [RELEASES]) as reader:
            return [each for each in reader.until_end(_REREAD_S) if each.key in keys]

    memory = RedisReleases(settings.redis.get_secret_value(), features.label, key.fingerprint)
    slot = ModelSlot(base, lambda release: load_read(release, features, settings, RELEASES), use)
    live = LiveReleases(Channel(key, features.label, on_refused), memory, slot, reread, on_refused)
    follower = TopicFollower(settings.kafka, [RELEASES], live)
    follower.start(_FIRST_READ_S)
    if base is None and not live.has_head:
        follower.stop()
        raise Fatal(
            what=f"no release of {features.label} was ever activated by key {key.fingerprint}, "
            "and no other model is given",
            where=f"{RELEASES} of {settings.kafka}",
            do="give --model or --release, or activate a release",
            exit_code=Exit.INPUT,
        )
    return follower
