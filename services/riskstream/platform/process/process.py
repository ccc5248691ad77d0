"""One service's process: logs, signals, the telemetry port, tracing, the proofs of its topics, and
its end.
"""

from collections.abc import Callable, Hashable
from contextlib import ExitStack
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

import structlog

from riskstream.platform.adapters.schemas import open_schemas
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.lanes.watchdog import Watchdog
from riskstream.platform.kafka.proofs import TopicNeeds, TopicWatch, prove_topics
from riskstream.platform.telemetry.exporter import Tracing
from riskstream.platform.telemetry.health import TelemetryServer
from riskstream.platform.telemetry.logs import set_up_logs
from riskstream.platform.telemetry.tracing import Tracer
from riskstream.runtime.run import freeze_garbage_collector, stop_event
from riskstream.runtime.settings import ServiceSettings

log = structlog.get_logger("process")
Result = TypeVar("Result")


class Process:
    """Used by `with`: on the way out everything that it holds ends, the newest first.

    Steps 1 and 2 of ARCHITECTURE.md's start are in here, `prove` is step 4; the service itself does
    the others in their order. The process is alive and not ready until `serve`.
    """

    def __init__(self, settings: ServiceSettings, *, handles_signals: bool = True) -> None:
        """Fatal where the telemetry port is taken, or a tracing variable is wrong.

        `handles_signals`: SIGTERM and SIGINT set `stop`; without it nothing does, and they end the
        process as Python has it.
        """
        self._settings = settings
        set_up_logs(settings.service, settings.log_level)
        self.stop = stop_event() if handles_signals else Event()
        self._ends = ExitStack()
        self._health = TelemetryServer(settings.telemetry_host, settings.telemetry_port)
        self._ends.callback(self._health.stop)
        log.info(
            "started",
            telemetry=self._health.url,
            paths="/metrics /livez /readyz",
            kafka=settings.kafka,
        )
        tracing = Tracing(settings.service)
        self._ends.callback(tracing.stop)
        self.tracer: Tracer = tracing.tracer
        self.admin = TopicAdmin(settings.kafka)
        self._watch: TopicWatch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    def holds(self, end: Callable[[], object]) -> None:
        """`end` is called on the way out."""
        self._ends.callback(end)

    def prove(self, needs: TopicNeeds, *, schemas: bool = True) -> dict[str, int]:
        """Wait until Kafka lets us in; max.message.bytes of what is written. Fatal where a topic is
        not as it is needed.

        From `serve` on the process looks again and again whether the topics are still there.
        `schemas`: ours are published, and those of others are asked for.
        """
        self.admin.wait_until_allowed()
        limits = prove_topics(self.admin, needs, self._settings.kafka)
        self._watch = TopicWatch(self.admin, needs)
        if schemas:
            open_schemas(self._settings.kafka, self._settings.service)
        return limits

    def serve(
        self,
        run: Callable[[], Result],
        *,
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
        watchdog: tuple[Callable[[], Hashable], Callable[[], bool]] | None = None,
    ) -> Result:
        """Say how the process is, and run it until it is stopped. `watchdog`: its progress, and
        whether it is behind.
        """
        assert self._watch is not None, "prove comes first"
        watch = self._watch
        self._health.show(is_alive=is_alive, is_ready=lambda: is_ready() and watch.is_whole)
        watch.start()
        self._ends.callback(watch.stop)
        freeze_garbage_collector()
        if watchdog is not None:
            dog = Watchdog(*watchdog)
            dog.start()
            self._ends.callback(dog.stop)
        return run()
