"""Settings of the tracker."""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import DerivedLaneSettings, GroupName
from riskstream.runtime.settings_help import Word


class TrackerSettings(DerivedLaneSettings):
    """Turn scores into alerts (alerts.v1) and into the state of each customer (customer-risk.v1).

    Each setting may also come from the environment: --log-level from RISKSTREAM_TRACKER_LOG_LEVEL.
    The command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_tracker_")
    service: ClassVar[str] = "tracker"

    group: GroupName = Field(default="tracker", description="consumer group")
    skip_scores: Annotated[str, Word("PARTITION:OFFSET,...")] = Field(
        default="",
        pattern=r"^(\d+:\d+(,\d+:\d+)*)?$",
        description="unreadable scores to leave out, by their place in scores.v1: "
        "PARTITION:OFFSET[,PARTITION:OFFSET]",
    )

    def skipped(self) -> frozenset[tuple[int, int]]:
        """(partition, offset) of the scores that a person said may be left out where they cannot be
        read.
        """
        pairs = (each.split(":") for each in self.skip_scores.split(",") if each)
        return frozenset((int(partition), int(offset)) for partition, offset in pairs)
