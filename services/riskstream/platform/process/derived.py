"""A derived lane in its service's process: its settings, and how it is served."""

import time

from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.process.process import Process
from riskstream.runtime.settings import DerivedLaneSettings


def derived_settings(settings: DerivedLaneSettings, source: str) -> DerivedSettings:
    """As the service has them, over one source topic."""
    return DerivedSettings(
        kafka=settings.kafka,
        group=settings.group,
        source=source,
        instance=settings.instance,
        commit_ms=settings.commit_ms,
        flush_ms=settings.flush_ms,
        group_protocol=settings.group_protocol,
        session_timeout_ms=settings.session_timeout_ms,
        client=settings.client,
        reads_ahead=True,
    )


def serve_lane(process: Process, lane: DerivedLane) -> None:
    """Runs the lane until the process ends. It is alive while its loop went round within 30 s."""
    process.serve(
        lane.run,
        is_alive=lambda: time.monotonic() - lane.seen_at < 30,
        is_ready=lambda: lane.is_ready,
        watchdog=(lambda: lane.seen_at, lane.is_behind),
    )
