"""The scorer put together: its core, what follows rules and releases beside it, and the runtime
that it works under.
"""

import time

from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.redis_home import HomeProof, state_home
from riskstream.platform.adapters.redis_profiles import RedisProfileReader
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.signing import PublicKey
from riskstream.platform.kafka.claims import OWNERS
from riskstream.platform.kafka.lanes.exact.lane import Lane, Stores
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import InForceMetrics, LaneMetrics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.kernel import compile_all
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.joining import prove_state_is_made
from riskstream.scorer.live_releases import follow_releases
from riskstream.scorer.live_rules import follow_rules
from riskstream.scorer.models import NO_MODEL, Loaded
from riskstream.scorer.settings import ScorerSettings
from riskstream.scorer.snapshots import ScorerSnapshots
from riskstream.scorer.warm import warm

_SILENT_S = 30.0


def topic_needs(settings: ScorerSettings) -> TopicNeeds:
    """Its own topics, by whatever names, and those that tell it rules and releases."""
    followed = ["rules.v1", "lists.v1", OWNERS, *(["releases.v1"] if settings.release_key else [])]
    return TopicNeeds(
        reads=[settings.source, *followed],
        writes=[settings.output, settings.dead_letters],
        kept={settings.source: (settings.output, settings.dead_letters)},
        contracts={settings.output: "score.v1"},
        letters_of={settings.dead_letters: settings.source},
    )


class Scorer:
    """Made, then `follow`, `prove_redis`, `run`: the order of ARCHITECTURE.md. What it opens, the
    process ends.
    """

    def __init__(self, settings: ScorerSettings, base: Loaded | None, process: Process) -> None:
        """`base`: what it is started with; None where it waits for a release."""
        self._settings, self._process, self._base = settings, process, base
        self._features, self._metrics = SETS[settings.features], LaneMetrics()
        self._in_force = InForceMetrics()
        model, policy = base or NO_MODEL
        self._in_force.use_engine(policy.engine)
        self._core = ScorerCore(
            self._features, model, policy, settings.max_batch, settings.base_currency
        )
        self._core.time_stages(self._metrics.stages.mark)
        self._redis, wait_ms = settings.redis.get_secret_value(), settings.profile_timeout_ms
        has_profiles = bool(self._features.profiles)
        self._profiles = (
            RedisProfileReader(self._redis, self._features, timeout_ms=wait_ms)
            if has_profiles
            else None
        )
        self._kind = "" if settings.runtime == "lane" else f"{settings.runtime}."
        self._space = f"{settings.group}.{self._kind}{self._features.label}"
        self._store = RedisStateStore(
            self._redis, self._space, read_timeout_ms=settings.store_read_timeout_ms
        )
        process.holds(self._store.close)
        self._snapshots = (
            ScorerSnapshots(settings, self._space, self._store) if settings.snapshots else None
        )
        compile_all()
        warm(self._features, model, policy)

    def follow(self, key: PublicKey | None) -> None:
        """Rules, and with a signer's key releases, are in force from here on, and follow their
        topics.
        """
        decider = self._core.decider
        self._process.holds(
            follow_rules(self._settings.kafka, self._features, decider, self._in_force).stop
        )
        if key is not None:
            found = follow_releases(
                self._settings, key, self._features, decider, self._in_force, self._base
            )
            self._process.holds(found.stop)

    def prove_redis(self) -> None:
        """It is the Redis of the group, and where the group runs with another feature set, this
        one's state is made.
        """
        admin = self._process.admin
        home = state_home(self._redis, self._space, admin.partitions()[self._settings.source])
        prove_state_is_made(home, self._settings, self._kind, self._features, admin, self._store)
        proof = HomeProof(home, admin, self._settings.kafka, self._settings.group)
        proof.prove(self._process.stop)
        proof.start()
        self._process.holds(proof.stop)

    def run(self, dead_letter_bytes: int) -> None:
        """Under the runtime that is set. `dead_letter_bytes`: max.message.bytes of the dead
        letters' topic.
        """
        if self._settings.runtime == "faust":
            self._run_faust()
        else:
            self._run_lane(dead_letter_bytes)

    def _is_alive(self) -> bool:
        return time.time() - self._seen_at < _SILENT_S

    @property
    def _seen_at(self) -> float:
        """When the loop last went round, seconds since 1970."""
        return float(self._metrics.loop_seen._value.get())

    def _run_lane(self, dead_letter_bytes: int) -> None:
        process, snapshots = self._process, self._snapshots
        stores = Stores(self._store, self._profiles)
        lane = Lane(
            self._lane_settings(dead_letter_bytes),
            self._core,
            stores,
            self._metrics,
            process.stop,
            process.tracer,
        )
        if snapshots is not None:
            keeper = snapshots.keeper(lane.owned)
            keeper.start()
            process.holds(keeper.stop)
        progress = snapshots.beside(lane.progress) if snapshots else lane.progress
        process.serve(
            lane.run,
            is_alive=self._is_alive,
            is_ready=lambda: lane.is_ready,
            watchdog=(progress, lane.is_behind),
        )

    def _lane_settings(self, dead_letter_bytes: int) -> LaneSettings:
        given = self._settings
        return LaneSettings(
            kafka=given.kafka,
            group=given.group,
            source=given.source,
            output=given.output,
            dead_letters=given.dead_letters,
            max_batch=given.max_batch,
            checkpoint_every_ms=given.checkpoint_every_ms,
            group_protocol=given.group_protocol,
            session_timeout_ms=given.session_timeout_ms,
            reject_limit=given.reject_limit,
            output_kafka=given.output_kafka,
            client=given.client,
            client_id=given.client_id,
            dead_letter_bytes=dead_letter_bytes,
            on_state_lost=given.on_state_lost,
            snapshots=self._snapshots.restorer if self._snapshots else None,
            producer_overrides={"queue.buffering.max.messages": given.output_queue},
        )

    def _run_faust(self) -> None:
        try:
            from riskstream.scorer.faust_shell import FaustShell
        except ModuleNotFoundError as error:
            raise Fatal(
                what=f"runtime faust needs {error.name}",
                where="--runtime",
                exit_code=Exit.INPUT,
                do="install the extra: pip install 'riskstream[scorer,faust]'",
            ) from error
        tracer = self._process.tracer
        shell = FaustShell(
            self._settings, self._core, self._store, self._metrics, tracer, self._profiles
        )
        self._process.serve(shell.run, is_alive=self._is_alive, is_ready=lambda: self._seen_at > 0)
