"""What the scorer made of a micro-batch, and what is counted of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from riskstream.platform.kafka.lanes.ports import Outcome

_DECISIONS = ("unknown", "approve", "review", "block")


@dataclass(slots=True)
class Scored(Outcome):
    """`decisions` counts scores by index of the enum Decision, `flags` those with each flag."""

    decisions: tuple[int, ...] = ()
    flags: dict[str, int] = field(default_factory=dict)

    @property
    def counted(self) -> Mapping[str, Mapping[str, int]]:
        decisions = {
            name: count for name, count in zip(_DECISIONS, self.decisions, strict=False) if count
        }
        return {"decisions": decisions, "flagged": self.flags}
