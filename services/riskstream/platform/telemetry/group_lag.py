"""What is known of a group's lag, as a plain value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """Of one partition of a group: `events` not done yet, and the age of the oldest; None where it
    is not known.
    """

    group: str
    topic: str
    partition: int
    events: int
    seconds: float | None
