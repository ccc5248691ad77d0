"""Settings of the tracker."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import GroupName, MoneySettings, too_short


class TrackerSettings(MoneySettings):
    """Turns accepted scores into alerts.v1 and each customer's state in customer-risk.v1.

    A setting NAME is also read from RISKSTREAM_TRACKER_NAME; the command line wins. --print-config shows what would be used.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_tracker_")
    service: ClassVar[str] = "tracker"

    group: GroupName = Field(default="tracker", description="consumer group")
    instance: GroupName = Field(default="0", description="slot of this process: stable over its restarts")
    commit_ms: int = Field(default=200, ge=10, le=5000, description="time between Kafka transactions, ms")
    flush_ms: int = Field(default=1000, ge=10, le=60_000, description="least time between two states of a customer, ms")
    group_protocol: Literal["consumer", "classic"] = Field(
        default="consumer", description="KIP-848 (`consumer`, Kafka 4) or `classic` cooperative"
    )
    skip_scores: str = Field(
        default="", pattern=r"^(\d+:\d+(,\d+:\d+)*)?$",
        description="places in scores.v1 (PARTITION:OFFSET,...) of scores that cannot be read and are left out",
    )  # fmt: skip
    session_timeout_ms: int = Field(default=6000, ge=1000, le=300_000, description="of the classic protocol only, ms")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: states are written at commits, no more often."""
        yield from too_short("flush_ms", "commit_ms", self)

    def skipped(self) -> frozenset[tuple[int, int]]:
        """(partition, offset) of the scores that a person said may be left out where they cannot be read."""
        pairs = (each.split(":") for each in self.skip_scores.split(",") if each)
        return frozenset((int(partition), int(offset)) for partition, offset in pairs)
