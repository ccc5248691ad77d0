"""Start and stop of a process: signals become an event, errors become one sentence and an exit
code.
"""

import gc
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.runtime.threads import dead_threads, watch_threads


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second SIGINT interrupts at once."""
    event = threading.Event()

    def on_signal(signum: int, _frame: FrameType | None) -> None:
        if event.is_set() and signum == signal.SIGINT:
            raise KeyboardInterrupt
        event.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return event


def freeze_garbage_collector() -> None:
    """After warm-up: what lives now is never looked at again, so collections stay short."""
    gc.collect()
    gc.freeze()


def run_main(main: Callable[[], int | None]) -> None:
    """Run a process's main; Fatal and Retryable become one line on stderr and an exit code, never a
    traceback.

    A thread that ends by an exception ends the process with exit code 70.
    """
    watch_threads()
    try:
        code = main() or Exit.DONE
    except Fatal as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except Retryable as error:
        print(f"error: {error}: start it again once that is available", file=sys.stderr)
        code = Exit.UNAVAILABLE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = Exit.DONE
    sys.exit(code or (Exit.FAULT if dead_threads() else Exit.DONE))
