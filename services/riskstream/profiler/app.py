"""The profiler as it runs: its two stages, and the Redis that shows its profiles."""

from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.redis_home import HomeProof, view_home
from riskstream.platform.adapters.redis_profiles import RedisProfileView
from riskstream.platform.kafka.claims import Readers
from riskstream.platform.kafka.lanes.derived import DerivedLane
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.process.derived import derived_settings
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.platform.telemetry.observing import MetricsObserver
from riskstream.profiler.core import ProfilerCore
from riskstream.profiler.settings import ProfilerSettings
from riskstream.profiler.shuffle import EVENTS, LABEL_LETTERS, LABELS, TRANSACTIONS, ShuffleCore
from riskstream.profiler.stages import Stages


class Profiler:
    """Both stages of one process. Make it, prove its topics and `prove_redis`; then `run`."""

    def __init__(self, settings: ProfilerSettings, process: Process) -> None:
        self._settings, self._process = settings, process
        self._metrics, self._features = ProfilerMetrics(), SETS[settings.features]
        self._core = ProfilerCore(self._features, MetricsObserver(self._metrics, "profiler"))

    @property
    def state_topics(self) -> tuple[str, ...]:
        return self._core.state_topics

    @property
    def outputs(self) -> dict[str, Readers]:
        """What the two stages write, and the consumer group behind each."""
        group = self._settings.group
        shuffled: Readers = (f"{group}-shuffle", (TRANSACTIONS, LABELS))
        return {EVENTS: shuffled, **dict.fromkeys(self.state_topics, (group, (EVENTS,)))}

    def prove_redis(self) -> None:
        """Waits until the Redis of the group's profiles answers, and goes on looking at it."""
        settings, process = self._settings, self._process
        partitions = process.admin.partitions()[EVENTS]
        home = view_home(settings.redis.get_secret_value(), self._features, partitions)
        proof = HomeProof(home, process.admin, settings.kafka, settings.group)
        proof.prove(process.stop)
        proof.start()
        process.holds(proof.stop)

    def run(self, dead_letter_bytes: int) -> None:
        """`dead_letter_bytes`: the largest record that the topic of labels' dead letters takes."""
        process = self._process
        lane = derived_settings(self._settings, EVENTS)
        owner = DerivedLane(
            lane, self._core, self._metrics, process.stop, self._view(), process.tracer
        )
        stages = Stages(owner, self._shuffle(dead_letter_bytes), process.stop)
        process.serve(
            stages.run,
            is_alive=stages.is_alive,
            is_ready=stages.is_ready,
            watchdog=(lambda: owner.seen_at, owner.is_behind),
        )

    def _view(self) -> RedisProfileView:
        view = RedisProfileView(
            self._settings.redis.get_secret_value(),
            self._features,
            self._core.clocks,
            self._metrics,
            timeout_ms=self._settings.redis_timeout_ms,
        )
        self._process.holds(view.close)
        return view

    def _shuffle(self, dead_letter_bytes: int) -> ForwardLane:
        """The first stage: transactions and labels to events by entity."""
        settings, metrics = self._settings, self._metrics
        lane = ForwardSettings(
            kafka=settings.kafka,
            group=f"{settings.group}-shuffle",
            sources=(TRANSACTIONS, LABELS),
            output=EVENTS,
            dead_letters={LABELS: LABEL_LETTERS},
            dead_letter_bytes=dead_letter_bytes,
            group_protocol=settings.group_protocol,
            session_timeout_ms=settings.session_timeout_ms,
            client=settings.client,
        )
        core = ShuffleCore(
            tuple(self._features.profiles),
            lane.max_batch,
            on_unkeyed=lambda name, n: metrics.unkeyed.labels(name).inc(n),
            on_broken=metrics.bad.inc,
            base_currency=settings.base_currency,
        )
        return ForwardLane(lane, core, metrics, self._process.stop, self._process.tracer)
