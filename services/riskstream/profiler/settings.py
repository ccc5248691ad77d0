"""Settings of the profiler."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from riskstream.risk.features.sets import SETS
from riskstream.runtime.settings import GroupName, MoneySettings, RedisUrl, too_short

PROFILED_SETS = [name for name, features in SETS.items() if features.profiles]


def _known_set(name: str) -> str:
    if name not in PROFILED_SETS:
        raise ValueError(f"{name} is not one of {', '.join(PROFILED_SETS)}: the sets with profiles")
    return name


class ProfilerSettings(MoneySettings):
    """Keeps what is known of terminals and devices, from transactions and labels, in topics and Redis.

    A setting NAME is also read from RISKSTREAM_PROFILER_NAME; the command line wins. --print-config shows what would be used.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_profiler_")
    service: ClassVar[str] = "profiler"

    redis: RedisUrl = Field(default=SecretStr("redis://127.0.0.1:6379/0"), description="URL of the view of vectors")
    features: Annotated[str, AfterValidator(_known_set)] = Field(
        default="standard-profiles", description=f"feature set whose profiles are kept: {', '.join(PROFILED_SETS)}"
    )
    group: GroupName = Field(default="profiler", description="consumer group; the shuffle's is <group>-shuffle")
    instance: GroupName = Field(default="0", description="slot of this process: stable over its restarts")
    commit_ms: int = Field(default=100, ge=10, le=5000, description="time between Kafka transactions, ms")
    flush_ms: int = Field(default=2000, ge=10, le=60_000, description="time between writes of the state, ms")
    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="KIP-848 (`consumer`, Kafka 4) or `classic` cooperative"
    )
    session_timeout_ms: int = Field(default=6000, ge=1000, le=300_000, description="of the classic protocol only, ms")
    redis_timeout_ms: int = Field(default=1000, ge=10, le=30_000, description="deadline of a write of vectors, ms")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: states are written at commits, no more often."""
        yield from too_short("flush_ms", "commit_ms", self)
