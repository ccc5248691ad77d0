"""Settings of the reporter."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import GroupSettings


class ReporterSettings(GroupSettings):
    """Write hourly and daily risk reports, with control totals to check them by.

    Each setting may also come from the environment: --log-level from RISKSTREAM_REPORTER_LOG_LEVEL.
    The command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_reporter_")
    service: ClassVar[str] = "reporter"

    out: Path = Field(
        default=Path("build/reports"), description="folder the reports are written to"
    )
    every_s: int = Field(
        default=300, ge=1, le=86_400, description="time between two rounds of reports, s"
    )
    grace_s: int = Field(
        default=900,
        ge=0,
        le=86_400,
        description="how long a report waits for late events, in event time, s",
    )
    so_far: bool = Field(
        default=False, description="also report hours and days that are not finished"
    )
    keep: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="how many reports of each kind stay in the folder; 0 keeps all",
    )
