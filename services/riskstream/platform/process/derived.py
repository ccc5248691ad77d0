"""A derived lane's settings from those of its service."""

from riskstream.platform.kafka.lanes.derived import DerivedSettings
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
    )
