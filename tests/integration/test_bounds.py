"""Half a minute of fuzzing with numba's bound checks, and half with canaries; `make test-bounds`
runs it for five.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(600)
def test_no_kernel_writes_past_the_end_of_an_array(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "loadtests.bounds",
        "--no-tests",
        "--seconds",
        "60",
        "--seed",
        "11",
        "--out",
        str(out),
    ]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert out.exists(), run.stderr[-4000:]
    result = json.loads(out.read_text())
    assert not result["problems"], "\n".join(result["problems"])
    counts = result["counts"]
    assert min(
        counts[f"{mode}_{what}"]
        for mode in ("bounds", "canaries")
        for what in ("profile_steps", "records", "frames")
    )
    assert counts["canaries_arrays"]
