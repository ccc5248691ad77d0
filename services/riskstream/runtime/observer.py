"""How a core says what it saw: a port, so that cores own no metric and no logger.

A core is tested by its records alone, and a counter or a log event never decides what it writes.
"""

from typing import Protocol


class Observer(Protocol):
    """Told by a core what happened. `name` is an attribute of the service's metrics class; labels
    are bounded, never an id.
    """

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """`by` more of something happened."""
        ...

    def show(self, name: str, value: float, **labels: str) -> None:
        """Something has this value now."""
        ...

    def report(self, event: str, **fields: object) -> None:
        """An operator must know of this event: an error in the log."""
        ...
