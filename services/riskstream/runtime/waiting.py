"""Calls that are made again until what they wait for is there. By the process's own time: for
commands and start-up, which have nothing else to do meanwhile.
"""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
Wait = TypeVar("Wait", bound=Exception)
_LOOK_EVERY_S = 0.02


def again_while(
    raised: type[Wait],
    call: Callable[[], Found],
    is_over: Callable[[Wait], bool],
    deadline_s: float,
) -> Found:
    """What `call` gives. Where it raises `raised`, it is called again once `is_over` says so; after
    the deadline, the error is raised.
    """
    end = time.monotonic() + deadline_s
    while True:
        try:
            return call()
        except raised as wait:
            if time.monotonic() > end:
                raise
            while not is_over(wait) and time.monotonic() <= end:
                time.sleep(_LOOK_EVERY_S)
