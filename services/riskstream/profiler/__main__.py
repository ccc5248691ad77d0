"""Starts the profiler: `python -m riskstream.profiler`."""

from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.redis_home import HomeProof, view_home
from riskstream.platform.adapters.redis_profiles import RedisProfileView
from riskstream.platform.kafka.claims import Readers, prove_ours
from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.lanes.derived import DerivedLane
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.derived import derived_settings
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.settings import ProfilerSettings
from riskstream.profiler.shuffle import EVENTS, LABEL_LETTERS, LABELS, TRANSACTIONS, ShuffleCore
from riskstream.profiler.stages import Stages
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import run_main


def main() -> None:
    settings = ProfilerSettings.load()
    with Process(settings) as process:
        metrics, features = ProfilerMetrics(), SETS[settings.features]
        core = ProfilerCore(features, MetricsObserver(metrics, "profiler"))
        url = settings.redis.get_secret_value()
        kept = {EVENTS: core.state_topics}
        limits = process.prove(
            TopicNeeds.of_catalog("profiler", kept=kept, letters_of={LABEL_LETTERS: LABELS})
        )
        view = RedisProfileView(
            url, features, core.clocks, metrics, timeout_ms=settings.redis_timeout_ms
        )
        process.holds(view.close)
        compile_all()
        home = view_home(url, features, process.admin.partitions()[EVENTS])
        proof = HomeProof(home, process.admin, settings.kafka, settings.group)
        proof.prove(process.stop)
        proof.start()
        process.holds(proof.stop)
        prove_currency(settings.kafka, settings.base_currency, TRANSACTIONS, "transaction.v1")
        prove_ours(settings.kafka, process.admin, settings.group, _outputs(settings.group, core))
        shuffle = _shuffle(settings, process, metrics, limits[LABEL_LETTERS])
        lane = derived_settings(settings, EVENTS)
        owner = DerivedLane(lane, core, metrics, process.stop, view, process.tracer)
        stages = Stages(owner, shuffle, process.stop)
        process.serve(
            stages.run,
            is_alive=stages.is_alive,
            is_ready=stages.is_ready,
            watchdog=(lambda: owner.seen_at, owner.is_behind),
        )


def _shuffle(
    settings: ProfilerSettings, process: Process, metrics: ProfilerMetrics, dead_letter_bytes: int
) -> ForwardLane:
    """The first stage: transactions and labels to events by entity."""
    lane = ForwardSettings(
        kafka=settings.kafka,
        group=f"{settings.group}-shuffle",
        sources=(TRANSACTIONS, LABELS),
        output=EVENTS,
        dead_letters={LABELS: LABEL_LETTERS},
        dead_letter_bytes=dead_letter_bytes,
        group_protocol=settings.group_protocol,
        session_timeout_ms=settings.session_timeout_ms,
    )
    core = ShuffleCore(
        tuple(SETS[settings.features].profiles),
        lane.max_batch,
        on_unkeyed=lambda name, n: metrics.unkeyed.labels(name).inc(n),
        on_broken=metrics.bad.inc,
        base_currency=settings.base_currency,
    )
    return ForwardLane(lane, core, metrics, process.stop, process.tracer)


def _outputs(group: str, core: ProfilerCore) -> dict[str, Readers]:
    """What the two stages write, and the consumer group behind each."""
    shuffled: Readers = (f"{group}-shuffle", (TRANSACTIONS, LABELS))
    return {EVENTS: shuffled, **dict.fromkeys(core.state_topics, (group, (EVENTS,)))}


if __name__ == "__main__":
    run_main(main)
