"""Settings of the tracker."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import DerivedLaneSettings, GroupName


class TrackerSettings(DerivedLaneSettings):
    """Turns accepted scores into alerts.v1 and each customer's state in customer-risk.v1.

    A setting NAME is also read from RISKSTREAM_TRACKER_NAME; the command line wins. --print-config
    shows what would be used.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_tracker_")
    service: ClassVar[str] = "tracker"

    group: GroupName = Field(default="tracker", description="consumer group")
    skip_scores: str = Field(
        default="",
        pattern=r"^(\d+:\d+(,\d+:\d+)*)?$",
        description="places in scores.v1 (PARTITION:OFFSET,...) of scores that cannot be read and "
        "are "
        "left out",
    )

    def skipped(self) -> frozenset[tuple[int, int]]:
        """(partition, offset) of the scores that a person said may be left out where they cannot be
        read.
        """
        pairs = (each.split(":") for each in self.skip_scores.split(",") if each)
        return frozenset((int(partition), int(offset)) for partition, offset in pairs)
