"""Starts the profiler: `python -m riskstream.profiler`. The owner stage runs on the main thread, the shuffle beside it."""

import time
from threading import Event, Thread

from riskstream.adapters.redis_home import HomeProof, view_home
from riskstream.adapters.redis_profiles import RedisProfileView
from riskstream.adapters.schemas import open_schemas
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.claims import Readers, prove_ours
from riskstream.kafka.currency import prove_currency
from riskstream.kafka.derived import DerivedLane, DerivedSettings
from riskstream.kafka.forward import ForwardLane, ForwardSettings
from riskstream.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.kafka.watchdog import Watchdog
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.settings import ProfilerSettings
from riskstream.profiler.shuffle import EVENTS, LABEL_LETTERS, LABELS, TRANSACTIONS, ShuffleCore
from riskstream.risk.features.sets import SETS
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import freeze_garbage_collector, run_main, stop_event
from riskstream.telemetry.exporter import Tracing
from riskstream.telemetry.health import TelemetryServer
from riskstream.telemetry.logs import set_up_logs
from riskstream.telemetry.metrics import ProfilerMetrics


def main() -> None:
    settings = ProfilerSettings.load()
    set_up_logs("profiler", settings.log_level)
    stop = stop_event()
    health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
    metrics = ProfilerMetrics()
    tracing = Tracing("profiler")
    features = SETS[settings.features]
    core = ProfilerCore(features, metrics)
    admin = TopicAdmin(settings.kafka)
    admin.wait_until_allowed()
    needs = TopicNeeds.of_catalog("profiler", kept={EVENTS: core.state_topics}, letters_of={LABEL_LETTERS: LABELS})
    limits = prove_topics(admin, needs, settings.kafka)
    watch = TopicWatch(admin, needs)
    open_schemas(settings.kafka, "profiler")
    forward_settings = ForwardSettings(
        kafka=settings.kafka, group=f"{settings.group}-shuffle", sources=(TRANSACTIONS, LABELS), output=EVENTS,
        dead_letters={LABELS: LABEL_LETTERS}, dead_letter_bytes=limits[LABEL_LETTERS],
        group_protocol=settings.group_protocol, session_timeout_ms=settings.session_timeout_ms,
    )  # fmt: skip
    shuffle = ShuffleCore(
        tuple(features.profiles),
        forward_settings.max_batch,
        on_unkeyed=lambda name, n: metrics.unkeyed.labels(name).inc(n),
        on_broken=metrics.bad.inc,
        base_currency=settings.base_currency,
    )
    url = settings.redis.get_secret_value()
    view = RedisProfileView(url, features, core.clocks, metrics, timeout_ms=settings.redis_timeout_ms)
    compile_all()
    home = view_home(url, features, admin.partitions()[EVENTS])
    proof = HomeProof(home, admin, settings.kafka, settings.group)
    proof.prove(stop)
    proof.start()
    prove_currency(settings.kafka, settings.base_currency, TRANSACTIONS, "transaction.v1")
    prove_ours(settings.kafka, admin, settings.group, _outputs(settings.group, core))
    forward = ForwardLane(forward_settings, shuffle, metrics, stop, tracing.tracer)
    owner = DerivedLane(
        DerivedSettings(
            kafka=settings.kafka, group=settings.group, source=EVENTS, instance=settings.instance,
            commit_ms=settings.commit_ms, flush_ms=settings.flush_ms, group_protocol=settings.group_protocol,
            session_timeout_ms=settings.session_timeout_ms,
        ),
        core, metrics, stop, view, tracing.tracer,
    )  # fmt: skip
    health.show(
        is_alive=lambda: time.monotonic() - min(owner.seen_at, forward.loop_seen) < 30,
        is_ready=lambda: owner.is_ready and forward.is_ready and watch.is_whole,
    )
    watch.start()
    watchdog = Watchdog(lambda: owner.seen_at, owner.is_behind)
    watchdog.start()
    freeze_garbage_collector()
    failed: list[BaseException] = []
    beside = Thread(target=_run, args=(forward, stop, failed), name="shuffle", daemon=True)
    beside.start()
    try:
        owner.run()
    finally:
        stop.set()
        beside.join(15)
        watchdog.stop()
        watch.stop()
        tracing.stop()
        health.stop()
        proof.stop()
        view.close()
    if failed:
        raise failed[0]


def _outputs(group: str, core: ProfilerCore) -> dict[str, Readers]:
    """What the two stages write, and the consumer group behind each."""
    shuffled: Readers = (f"{group}-shuffle", (TRANSACTIONS, LABELS))
    return {EVENTS: shuffled, **dict.fromkeys(core.state_topics, (group, (EVENTS,)))}


def _run(lane: ForwardLane, stop: Event, failed: list[BaseException]) -> None:
    """Run the shuffle; where it fails, the whole process ends with its error."""
    try:
        lane.run()
    except BaseException as error:
        failed.append(error)
        stop.set()


if __name__ == "__main__":
    run_main(main)
