"""Settings of the profiler."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from riskstream.domain.risk.features.sets import SETS
from riskstream.runtime.settings import DerivedLaneSettings, GroupName, RedisUrl

PROFILED_SETS = [name for name, features in SETS.items() if features.profiles]


def _known_set(name: str) -> str:
    if name not in PROFILED_SETS:
        raise ValueError(f"{name} is not one of {', '.join(PROFILED_SETS)}: the sets with profiles")
    return name


class ProfilerSettings(DerivedLaneSettings):
    """Keeps what is known of terminals and devices, from transactions and labels, in topics and
    Redis.

    A setting NAME is also read from RISKSTREAM_PROFILER_NAME; the command line wins. --print-config
    shows what would be used.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_profiler_")
    service: ClassVar[str] = "profiler"

    redis: RedisUrl = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"), description="URL of the view of vectors"
    )
    features: Annotated[str, AfterValidator(_known_set)] = Field(
        default="standard-profiles",
        description=f"feature set whose profiles are kept: {', '.join(PROFILED_SETS)}",
    )
    group: GroupName = Field(
        default="profiler", description="consumer group; the shuffle's is <group>-shuffle"
    )
    commit_ms: int = Field(
        default=100, ge=10, le=5000, description="time between Kafka transactions, ms"
    )
    flush_ms: int = Field(
        default=2000, ge=10, le=60_000, description="time between writes of the state, ms"
    )
    redis_timeout_ms: int = Field(
        default=1000, ge=10, le=30_000, description="deadline of a write of vectors, ms"
    )
