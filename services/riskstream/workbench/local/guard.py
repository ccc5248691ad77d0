"""Runs one server and ends it when the pipe on stdin closes: so a server never outlives who started
it.

`python guard.py COMMAND...`; the first line on stdout is the server's process id. Standard library
only.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

GRACE_S = 10.0


def main() -> int:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # only the pipe, or the server's own end, ends us
    with Path(os.environ["RISKSTREAM_GUARD_LOG"]).open("ab", buffering=0) as log:
        server = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            restore_signals=True,
            preexec_fn=lambda: [
                signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGTERM)
            ],
        )
    print(server.pid, flush=True)
    child = os.pidfd_open(server.pid)
    ready, _, _ = select.select([0, child], [], [])
    if child not in ready:
        server.terminate()
        try:
            server.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            server.kill()
    return server.wait() & 0xFF


if __name__ == "__main__":
    sys.exit(main())
