"""Settings of the lag service."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from riskstream.runtime.settings import ServiceSettings
from riskstream.runtime.settings_help import Word

_PAIRS = r"^[^\s,=]+=[^\s,=]+(,[^\s,=]+=[^\s,=]+)*$"


class LagSettings(ServiceSettings):
    """Measure how many records and seconds the consumer groups are behind. It joins no group.

    Each setting may also come from the environment: --log-level from RISKSTREAM_LAG_LOG_LEVEL. The
    command line wins. --print-config prints the settings in use and ends.
    """

    model_config = SettingsConfigDict(env_prefix="riskstream_lag_")
    service: ClassVar[str] = "lag"

    groups: Annotated[str, Word("GROUP=TOPIC,...")] = Field(
        default="scorer=transactions.v1,tracker=scores.v1,"
        "profiler-shuffle=transactions.v1,profiler=profile-events.v1",
        pattern=_PAIRS,
        description="consumer groups to watch, and the topic each reads: group=topic[,group=topic]",
    )
    topics: Annotated[str, Word("TOPIC,...")] = Field(
        default="transactions.v1,scores.v1,profile-events.v1,"
        "alerts.v1,customer-risk.v1,risk-reports.v1",
        pattern=r"^[^\s,]+(,[^\s,]+)*$",
        description="topics whose new records are counted: topic[,topic]",
    )
    every_s: float = Field(
        default=10.0, ge=0.1, le=300, description="time between two measurements, s"
    )

    def expected(self) -> list[tuple[str, str]]:
        """(group, topic) of each group that must be there."""
        pairs = (pair.split("=") for pair in self.groups.split(","))
        return [(group, topic) for group, topic in pairs]

    def named(self) -> list[str]:
        """Every topic that is looked at."""
        return sorted({*self.topics.split(","), *(topic for _, topic in self.expected())})

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """As of every service: what is named twice would be counted twice."""
        for name, given in (("groups", self.groups), ("topics", self.topics)):
            for each, count in Counter(given.split(",")).items():
                if count > 1:
                    yield f"{name} names {each} {count} times", "name it once"
