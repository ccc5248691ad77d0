"""Starts the scorer: `python -m riskstream.scorer`."""

import time

from riskstream.adapters.redis_home import HomeProof, state_home
from riskstream.adapters.redis_profiles import RedisProfileReader
from riskstream.adapters.redis_state import RedisStateStore
from riskstream.adapters.schemas import open_schemas
from riskstream.adapters.signing import PublicKey
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.claims import OWNERS, prove_ours
from riskstream.kafka.currency import prove_currency
from riskstream.kafka.lane import Lane
from riskstream.kafka.lane_settings import LaneSettings
from riskstream.kafka.ports import ProfileReader
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.kafka.table import TopicFollower
from riskstream.kafka.watchdog import Watchdog
from riskstream.risk.features.sets import SETS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import freeze_garbage_collector, run_main, stop_event
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.joining import prove_state_is_made
from riskstream.scorer.live_releases import follow_releases
from riskstream.scorer.live_rules import follow_rules
from riskstream.scorer.models import NO_MODEL, load_base
from riskstream.scorer.settings import ScorerSettings
from riskstream.scorer.snapshots import ScorerSnapshots, SnapshotKeeper
from riskstream.scorer.warm import warm
from riskstream.telemetry.exporter import Tracing
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import LaneMetrics


def main() -> None:
    settings = ScorerSettings.load()
    set_up_logs("scorer", settings.log_level)
    stop = stop_event()
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    features = SETS[settings.features]
    base = load_base(settings, features)
    model, policy = base or NO_MODEL
    key = None if settings.release_key is None else PublicKey.read(settings.release_key)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = _needs(settings)
    limits = prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    watch.start()
    open_schemas(settings.kafka, "scorer")
    redis = settings.redis.get_secret_value()
    wait_ms = settings.profile_timeout_ms
    profiles = RedisProfileReader(redis, features, timeout_ms=wait_ms) if features.profiles else None
    core = ScorerCore(features, model, policy, settings.max_batch, settings.base_currency)
    kind = "" if settings.runtime == "lane" else f"{settings.runtime}."
    space = f"{settings.group}.{kind}{features.label}"
    store = RedisStateStore(redis, space, read_timeout_ms=settings.store_read_timeout_ms)
    snapshots = ScorerSnapshots(settings, space, store) if settings.snapshots else None
    compile_all()
    warm(features, model, policy)
    metrics = LaneMetrics()
    tracing = Tracing("scorer")
    followers: list[TopicFollower | SnapshotKeeper] = [follow_rules(settings.kafka, features, core.decider, metrics)]
    if key is not None:
        followers.append(follow_releases(settings, key, features, core.decider, metrics, base))
    home = state_home(redis, space, admin.partitions()[settings.source])
    prove_state_is_made(home, settings, kind, features, admin, store)
    proof = HomeProof(home, admin, settings.kafka, settings.group)
    proof.prove(stop)
    proof.start()
    prove_currency(settings.kafka, settings.base_currency, settings.output, "score.v1")
    mine = (settings.group, (settings.source,))
    prove_ours(settings.kafka, admin, settings.group, {settings.output: mine}, needs.letters_of)
    if settings.runtime == "faust":
        health.show(
            is_alive=lambda: time.time() - metrics.loop_seen._value.get() < 30,
            is_ready=lambda: metrics.loop_seen._value.get() > 0 and watch.is_whole,
        )
        _run_faust(settings, core, store, profiles, metrics, tracing)
        return
    lane = Lane(
        _lane_settings(settings, limits[settings.dead_letters], snapshots), core, store, metrics, stop, tracing.tracer,
        profiles,
    )  # fmt: skip
    health.show(
        is_alive=lambda: time.time() - metrics.loop_seen._value.get() < 30,
        is_ready=lambda: lane.is_ready and watch.is_whole,
    )
    watchdog = Watchdog(snapshots.beside(lane.progress) if snapshots else lane.progress, lane.is_behind)
    if snapshots is not None:
        followers.append(snapshots.keeper(lane.owned))
        followers[-1].start()
    freeze_garbage_collector()
    watchdog.start()
    try:
        lane.run()
    finally:
        watchdog.stop()
        watch.stop()
        tracing.stop()
        for each in followers:
            each.stop()
        health.stop()
        proof.stop()
        store.close()


def _needs(settings: ScorerSettings) -> TopicNeeds:
    """Its own topics, by whatever names, and those that tell it rules and releases."""
    followed = ["rules.v1", "lists.v1", OWNERS, *(["releases.v1"] if settings.release_key else [])]
    return TopicNeeds(
        reads=[settings.source, *followed], writes=[settings.output, settings.dead_letters],
        kept={settings.source: (settings.output, settings.dead_letters)}, contracts={settings.output: "score.v1"},
        letters_of={settings.dead_letters: settings.source},
    )  # fmt: skip


def _lane_settings(settings: ScorerSettings, dead_letter_bytes: int, snapshots: ScorerSnapshots | None) -> LaneSettings:
    return LaneSettings(
        kafka=settings.kafka, group=settings.group, source=settings.source, output=settings.output,
        dead_letters=settings.dead_letters, max_batch=settings.max_batch,
        checkpoint_every_ms=settings.checkpoint_every_ms, group_protocol=settings.group_protocol,
        session_timeout_ms=settings.session_timeout_ms, reject_limit=settings.reject_limit,
        output_kafka=settings.output_kafka, client_id=settings.client_id, dead_letter_bytes=dead_letter_bytes,
        on_state_lost=settings.on_state_lost, snapshots=snapshots.restorer if snapshots else None,
        producer_overrides={"queue.buffering.max.messages": settings.output_queue},
    )  # fmt: skip


def _run_faust(
    settings: ScorerSettings, core: ScorerCore, store: RedisStateStore, profiles: ProfileReader | None, metrics: LaneMetrics,
    tracing: Tracing,
) -> None:  # fmt: skip
    try:
        from riskstream.scorer.faust_shell import FaustShell
    except ModuleNotFoundError as error:
        raise Fatal(
            what=f"runtime faust needs {error.name}",
            where="--runtime",
            do="install the extra: pip install 'riskstream[scorer,faust]'",
            exit_code=2,
        ) from error
    try:
        FaustShell(settings, core, store, metrics, tracing.tracer, profiles).run()
    finally:
        tracing.stop()


if __name__ == "__main__":
    run_main(main)
