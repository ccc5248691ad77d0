"""Settings of the reporter."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import GroupSettings


class ReporterSettings(GroupSettings):
    """Writes hourly and daily risk reports of the customers' states, with control totals beside
    them.

    A setting NAME is also read from RISKSTREAM_REPORTER_NAME; the command line wins. --print-config
    shows what would be used.
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
        default=900, ge=0, le=86_400, description="event time a window waits for late events, s"
    )
    so_far: bool = Field(default=False, description="report open windows too")
    keep: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="newest reports of each grain that stay in the folder; 0: all",
    )
