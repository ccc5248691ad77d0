"""Which Redis holds a group's state: it and the cluster both know its id, proven before a process
joins the group.

All processes of a group that run must share one Redis: one with another address would take
partitions and find them empty. A Redis whose id is not the one on record is taken only while nobody
of the group runs: then it was lost or moved, and what that means for the state is for recovery to
say.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import redis
import structlog

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.adapters.redis_errors import code_of, translated
from riskstream.platform.adapters.redis_profiles import prefix_of
from riskstream.platform.adapters.redis_state import client_of
from riskstream.platform.kafka.claims import Claim, Claims
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

log = structlog.get_logger("home")
AWAY_S, WAIT_S, SETTLED_S = 30.0, 15.0, 2.0
"""How long an absent Redis is waited for; how long members that may be dead; and how long a claim
must have stood to be replaced: of two that start at once with two stores, one sees the other join.
"""
USED_S = 10
"""How long a process that works with a state is taken to do so after it said so last."""
_LOOK_S = 0.5
_KEEP_S = 2.0
_TIMEOUT_MS = 2000
_NEVER_MENDS = ("WRONGPASS", "NOPERM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The Kafka cluster whose state a Redis holds, and the id that it was given."""

    cluster: str
    store_id: str


class RedisHome:
    """The id of a Redis for one namespace, in the key `{<namespace>.home}`; `state_keys` are those
    that it has state by.

    Calls raise Retryable where Redis is away or takes no writes, Fatal where it refuses this user.
    """

    def __init__(self, url: str, namespace: str, state_keys: Sequence[str | bytes]) -> None:
        self.namespace, self.url = namespace, url.rsplit("@", 1)[-1]
        self._key, self._state_keys = f"{{{namespace}.home}}", list(state_keys)
        self._client = client_of(url, _TIMEOUT_MS)

    def read(self) -> Home | None:
        """None where this Redis was given no id, or lost it."""
        raw = self._ask(self._client.get, self._key)
        if raw is None:
            return None
        cluster, _, store_id = raw.decode().partition(" ")
        return Home(cluster=cluster, store_id=store_id)

    def keep(self, home: Home) -> Home:
        """Write it where there is none; what is there now."""
        # NX
        self._ask(self._client.set, self._key, f"{home.cluster} {home.store_id}", None, None, True)
        return self.read() or home

    def replace(self, home: Home) -> None:
        """Write it whatever was there: the state was made again for this cluster."""
        self._ask(self._client.set, self._key, f"{home.cluster} {home.store_id}")

    def use(self) -> None:
        """Say for USED_S that a process works with the state."""
        self._ask(self._client.set, f"{self._key}.used", "1", USED_S)

    def is_used(self) -> bool:
        """True where a process said so."""
        return bool(self._ask(self._client.exists, f"{self._key}.used"))

    def has_state(self) -> bool:
        """True where rows of the namespace are there: those of a version that gave no ids."""
        return bool(self._ask(self._client.exists, *self._state_keys))

    def close(self) -> None:
        self._client.close()

    def _ask(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except redis.RedisError as error:
            if (code := code_of(error)) in _NEVER_MENDS:
                raise Fatal(
                    what=f"Redis refuses this user: {code}",
                    where=self.url,
                    do="give user and password in --redis, and the rights of "
                    "docs/runbooks/another-redis.md",
                    exit_code=Exit.INPUT,
                ) from error
            raise translated(error, self.url) from error


class HomeProof:
    """Proves that a Redis is the one of a group, and keeps its id there while the process runs."""

    def __init__(self, home: RedisHome, admin: TopicAdmin, kafka: str, group: str) -> None:
        self._home, self._admin, self._group = home, admin, group
        self._claims, self._subject = Claims(kafka), f"state {home.namespace}"
        self._cluster = admin.cluster_id()
        self._seen: tuple[Claim, float] | None = None
        self._mine: Home | None = None
        self._done = Event()
        self._thread = Thread(target=self._keep, name="home", daemon=True)

    def prove(self, stop: Event) -> None:
        """Return once this Redis is the group's. Fatal where the group runs with another one;
        Retryable where it is away.
        """
        began = time.monotonic()
        is_told = False
        while True:
            problem: Fatal | Retryable
            try:
                self._mine = self._look()
                if self._mine is not None:
                    return
                problem, limit_s = self._another(), WAIT_S
            except Retryable as error:
                problem, limit_s = error, AWAY_S
            if time.monotonic() - began > limit_s:
                raise problem
            if not is_told:
                log.warning("has not joined the group yet", why=str(problem))
                is_told = True
            if stop.wait(_LOOK_S):
                raise SystemExit(Exit.DONE)

    def start(self) -> None:
        """From now on write the id again where Redis loses it: who joins later must find it."""
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(5)
        self._home.close()

    def _look(self) -> Home | None:
        """The id under which this Redis is ours now; None where it is not, or not yet."""
        found = self._home.read()
        if found is not None and found.cluster != self._cluster:
            raise Fatal(
                what=f"this Redis holds the state of {self._home.namespace} of another Kafka "
                "cluster",
                where=self._home.url,
                do="give another --redis or --group; if the cluster was created again, run "
                "`riskstream rebuild`",
                exit_code=Exit.INPUT,
            )
        held = self._claims.of(self._subject)
        if held is not None and found is not None and found.store_id == held.holder:
            return found
        is_alone = not self._admin.groups_by_members().get(self._group, False)
        if held is None:
            if not (is_alone or found is not None or self._home.has_state()):
                return None
        elif not is_alone or not self._has_stood(held):
            return None
        mine = self._home.keep(found or Home(cluster=self._cluster, store_id=uuid.uuid4().hex))
        if held is None:
            held = self._claims.take(self._subject, mine.store_id)
            return mine if held.holder == mine.store_id else None
        log.warning(
            "from now on another Redis holds the state", redis=self._home.url, before=held.holder
        )
        self._claims.hand_over(self._subject, mine.store_id)
        return mine

    def _has_stood(self, held: Claim) -> bool:
        """True where the claim is the one seen SETTLED_S ago."""
        now = time.monotonic()
        if self._seen is None or self._seen[0] != held:
            self._seen = held, now
        return now - self._seen[1] >= SETTLED_S

    def _another(self) -> Fatal:
        return Fatal(
            what=f"processes of group {self._group} run with another Redis",
            where=self._home.url,
            do="give their --redis, or stop all of them first (docs/runbooks/another-redis.md)",
            exit_code=Exit.INPUT,
        )

    def _keep(self) -> None:
        while True:
            try:
                if self._mine is not None:
                    self._home.use()
                    self._home.keep(self._mine)
            except (Retryable, Fatal) as error:
                log.debug("the id of this Redis is not kept now", error=str(error))
            if self._done.wait(_KEEP_S):
                return


def prove_unused(home: RedisHome, admin: TopicAdmin, group: str) -> None:
    """Fatal where processes of the group work with the state that is to be made again; a killed one
    is forgotten meanwhile.
    """
    end = time.monotonic() + USED_S + _KEEP_S
    while admin.groups_by_members().get(group, False) and home.is_used():
        if time.monotonic() > end:
            raise Fatal(
                what=f"processes of group {group} run with {home.namespace}, and nothing was "
                "changed",
                where=home.url,
                do="stop all of them first, or give the --group and --features that you mean",
                exit_code=Exit.INPUT,
            )
        time.sleep(_LOOK_S)


def prove_made(
    mine: RedisHome,
    others: Sequence[RedisHome],
    admin: TopicAdmin,
    group: str,
    do: str,
    *,
    is_made: bool,
) -> None:
    """Fatal where the group runs with the state of another feature set, and that of ours was never
    made: it would know nobody.

    `is_made`: our state has a watermark. A group of which nobody runs has lost its state rather,
    which is for recovery to say.
    """
    end = time.monotonic() + USED_S + _KEEP_S
    while not is_made and not mine.is_used() and admin.groups_by_members().get(group, False):
        used = [each.namespace for each in others if each.is_used()]
        if not used or not admin.group_offsets(group):
            return
        if time.monotonic() > end:
            raise Fatal(
                what=f"group {group} runs with {used[0]}, and {mine.namespace} has no state: "
                "each customer would be new to it",
                where=mine.url,
                do=do,
                exit_code=Exit.INPUT,
            )
        time.sleep(_LOOK_S)


def state_home(url: str, namespace: str, partitions: int) -> RedisHome:
    """Of a scorer's state: it has a hash a partition, as redis_state.py names them."""
    return RedisHome(url, namespace, [f"{{{namespace}.{number}}}" for number in range(partitions)])


def view_home(url: str, features: FeatureSet, partitions: int) -> RedisHome:
    """Of the profiles' vectors: there is a clock an entity and partition, as redis_profiles.py
    names them.
    """
    prefix = prefix_of(features)
    clocks = [
        prefix + f"#{each.name}:{number}".encode()
        for each in features.profiles
        for number in range(partitions)
    ]
    return RedisHome(url, f"profile.{features.label}", clocks)


def made_for(home: RedisHome, cluster: str) -> None:
    """A Redis whose state is made again is this cluster's from now on; an id that it has of it
    stays.
    """
    found = home.read()
    if found is None or found.cluster != cluster:
        home.replace(Home(cluster=cluster, store_id=uuid.uuid4().hex))
    home.close()
