"""Settings of the profiler."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.settings import (
    REDIS_DEFAULT,
    DerivedLaneSettings,
    GroupName,
    RedisUrl,
    redis_default,
)
from riskstream.runtime.settings_help import Word

PROFILED_SETS = [name for name, features in SETS.items() if features.profiles]


def _known_set(name: str) -> str:
    if name not in PROFILED_SETS:
        raise ValueError(f"{name} is not one of {', '.join(PROFILED_SETS)}: the sets with profiles")
    return name


class ProfilerSettings(DerivedLaneSettings):
    """Count what happens at each terminal and device, and write the profiles to Kafka and Redis.

    Each setting may also come from the environment: --log-level from RISKSTREAM_PROFILER_LOG_LEVEL.
    The command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_profiler_")
    service: ClassVar[str] = "profiler"

    redis: RedisUrl = Field(
        default_factory=redis_default,
        description=f"URL of the Redis that profiles are written to {REDIS_DEFAULT}",
    )
    features: Annotated[str, AfterValidator(_known_set), Word("SET")] = Field(
        default="standard-profiles",
        description=f"feature set whose profiles are computed: {', '.join(PROFILED_SETS)}",
    )
    group: GroupName = Field(
        default="profiler",
        description="consumer group of the second stage; the first stage is <group>-shuffle",
    )
    commit_ms: int = Field(
        default=100,
        ge=10,
        le=5000,
        description="time between Kafka transactions, ms; a profiler that is far behind waits a "
        "tenth of how late it is, at most flush_ms",
    )
    flush_ms: int = Field(
        default=2000, ge=10, le=60_000, description="time between writes of the state, ms"
    )
    redis_timeout_ms: int = Field(
        default=1000, ge=10, le=30_000, description="deadline of one write to Redis, ms"
    )
