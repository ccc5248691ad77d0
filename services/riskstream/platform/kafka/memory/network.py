"""Between clients and the log: what happens on the way. This one is calm; a simulation makes one
that is not.
"""

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Host:
    """Whose clients they are: one process. `silent_since`: it stands still or is gone, and no
    heartbeat comes; monotonic.
    """

    silent_since: float | None = None


class Network:
    """Each answer is at once and as asked for."""

    sends_at_once = True
    """A record that is produced is in the log before `produce` returns. Else whoever drives the log
    has it sent.
    """

    def __init__(self) -> None:
        self._host = Host()

    def host(self) -> Host:
        """The process that makes a client now."""
        return self._host

    def call(self, what: str) -> None:
        """Before each request of a client. What it raises the client's caller gets."""

    def many(self, most: int) -> int:
        """How many of `most` records or steps are there by now, at least one."""
        return most

    def pick(self, count: int) -> int:  # noqa: ARG002
        """Which of `count` comes first."""
        return 0

    def chance(self, what: str) -> bool:  # noqa: ARG002
        """Whether something odd happens, of which a client must not take harm: `commit lost`, `late
        markers`, `not started`, `stale fetch`.
        """
        return False
