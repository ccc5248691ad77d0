"""Threads beside a process's main one: where an exception ends one, the process is no longer alive,
and ends.

Who waits for a dead thread's work would wait for ever, unseen. A thread that may fail and be done
without catches its own errors.
"""

import os
import signal
import threading

import structlog

from riskstream.runtime.exits import Exit

log = structlog.get_logger("threads")
ENDS_WITHIN_S = 45.0
"""From the death of a thread to the end of the process, whatever its shutdown waits for."""
_dead: list[str] = []


def watch_threads() -> None:
    """From now on an exception that ends a thread ends the process: by SIGTERM, so that what is
    under way is finished first.
    """
    threading.excepthook = _on_death


def dead_threads() -> list[str]:
    """Names of the threads that ended by an exception."""
    return list(_dead)


def _on_death(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread is not None else "unknown"
    error = died.exc_value or died.exc_type()
    log.error(
        "a thread has ended: ending the process",
        thread=name,
        exc_info=(died.exc_type, error, died.exc_traceback),
    )
    _dead.append(name)
    at_the_latest = threading.Timer(ENDS_WITHIN_S, os._exit, (Exit.FAULT,))
    at_the_latest.daemon = True
    at_the_latest.start()
    os.kill(os.getpid(), signal.SIGTERM)
