"""A second Ctrl-C ends the process also where a lane beside the main thread gives both: two that
wait at once would be one.
"""

import os
import subprocess
import sys

PROGRAM = """
import threading
from riskstream.runtime.faults import fault_point
from riskstream.runtime.run import run_main, stop_event

def main():
    stop = stop_event()
    beside = threading.Thread(target=fault_point, args=("forwarding",), daemon=True)
    beside.start()
    stop.wait()
    print("asked to stop", flush=True)
    beside.join()

run_main(main)
"""


def test_both_of_two_interrupts_from_a_thread_are_seen() -> None:
    env = {
        **os.environ,
        "RISKSTREAM_FAULT_POINT": "forwarding",
        "RISKSTREAM_FAULT_HOW": "interrupt",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("asked to stop\n", "interrupted\n", 130)
