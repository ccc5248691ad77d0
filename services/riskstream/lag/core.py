"""From offsets to lag. A group that never committed, or whose offsets expired, is behind by all
that its topic holds.
"""

from collections.abc import Iterable

from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.group_lag import GroupLag


def undone(
    committed: dict[Place, int], topic: str, firsts: list[int], ends: list[int]
) -> dict[Place, tuple[int, int]]:
    """By partition (offset of the first record that is not done, number of records from there)."""
    out = {}
    for number, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        at = max(committed.get((topic, number), first), first)
        out[topic, number] = (at, max(end - at, 0))
    return out


def long_undone(
    undone: dict[Place, tuple[int, int]], ends_before: dict[Place, int]
) -> dict[Place, int]:
    """By partition the offset to ask the age of: records that were there a round ago, and are not
    done yet.
    """
    return {
        place: at
        for place, (at, count) in undone.items()
        if count and at < ends_before.get(place, at + count)
    }


def rows(
    group: str,
    undone: dict[Place, tuple[int, int]],
    ages: dict[Place, float],
    asked: Iterable[Place],
) -> list[GroupLag]:
    """A row each partition: what is younger than a round is 0 s behind, what did not come in time
    has no age.
    """
    late = set(asked)
    return [
        GroupLag(
            group=group,
            topic=place[0],
            partition=place[1],
            events=count,
            seconds=ages.get(place) if place in late else 0.0,
        )
        for place, (_, count) in sorted(undone.items())
    ]
