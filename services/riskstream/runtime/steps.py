"""How work tells how far it is: who runs it may give it Steps, and nobody has to."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Advance = Callable[[int], None]
"""Is told how many more are done."""
Steps = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Of a step's name and how much there is of it, None where nobody knows: what to tell while it
runs.
"""

TOLD_FROM = 0.1
"""Share done from which the time left is told: the first rows and trees take longer than others."""


def untold(_name: str, _total: int | None) -> AbstractContextManager[Advance]:
    """Steps of who does not want to know."""
    return nullcontext(lambda _more: None)
