"""From a topic as a cluster has it to what is declared: the steps, and how safe its copies are.
Asks no cluster itself.
"""

from dataclasses import dataclass
from typing import Self

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

MIN_ISR = "min.insync.replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One difference: `create`, `alter` (done by apply), or `differs` (shown, never done)."""

    action: str
    topic: str
    detail: str
    key: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """Copies of each topic, and how many must have a record before it is acknowledged.

    `is_asked` is False where nobody said it: then more than that is right as well, and nothing is
    ever lowered.
    """

    replication: int
    min_isr: int
    is_asked: bool = True

    @classmethod
    def of(cls, replication: int, min_isr: int | None = None) -> Self:
        """As asked for; by default one copy may be away. Fatal where the two contradict each
        other.
        """
        least = max(replication - 1, 1) if min_isr is None else min_isr
        if not 1 <= least <= replication:
            raise Fatal(
                what=f"{least} copies in sync cannot be had of {replication}",
                where="--min-isr",
                do="ask for at most as many as there are copies, and for one less so that a "
                "broker may be down",
                exit_code=Exit.INPUT,
            )
        return cls(replication=replication, min_isr=least)

    @classmethod
    def by_brokers(cls, brokers: int) -> Self:
        """What a cluster of that size can do: three copies at most."""
        replication = max(min(3, brokers), 1)
        return cls(replication=replication, min_isr=max(replication - 1, 1), is_asked=False)

    def is_met(self, now: int, wanted: int) -> bool:
        """True where a number of now is what was asked for; where nobody asked, also where it is
        higher.
        """
        return now == wanted or (now > wanted and not self.is_asked)


def safety_steps(topic: str, copies: int, min_isr: int, safety: Safety) -> list[Step]:
    """Copies are moved by a person, as that reads whole disks; the number in sync is set where the
    copies allow it.
    """
    steps = []
    if not safety.is_met(copies, safety.replication):
        detail = (
            f"copies: {copies}, {safety.replication} asked for: move them by "
            "kafka-reassign-partitions "
            "(docs/runbooks/copies.md)"
        )
        steps.append(Step(action="differs", topic=topic, detail=detail))
    if safety.is_met(min_isr, safety.min_isr):
        return steps
    if copies > safety.min_isr or safety.min_isr == 1:
        detail, value = f"{MIN_ISR}: {min_isr} -> {safety.min_isr}", str(safety.min_isr)
        return [*steps, Step(action="alter", topic=topic, detail=detail, key=MIN_ISR, value=value)]
    detail = (
        f"{MIN_ISR}: {min_isr}, {safety.min_isr} asked for: with {copies} copies nothing "
        "could be appended while one is "
        "away; add copies first, then apply again"
    )
    return [*steps, Step(action="differs", topic=topic, detail=detail)]


def config_steps(topic: str, declared: dict[str, str], now: dict[str, str | None]) -> list[Step]:
    """Each declared setting that the topic has otherwise, defaults of the broker included."""
    return [
        Step(
            action="alter",
            topic=topic,
            detail=f"{key}: {now.get(key)} -> {value}",
            key=key,
            value=value,
        )
        for key, value in declared.items()
        if str(now.get(key)) != value
    ]
