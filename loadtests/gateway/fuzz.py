"""The gateway by its own OpenAPI: requests that the document allows, and such as it forbids. No
answer of 500, no hang, and each answer as the document has it.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from riskstream.workbench.local.chain import Chain

CONFIG = Path(__file__).resolve().with_name("schemathesis.toml")
LONG = ("--phases", "examples,fuzzing,stateful", "--max-examples", "150")
COVERAGE = ("--phases", "coverage", "--exclude-checks", "negative_data_rejection")
"""Each bound of each field, once. It also sends headers that the document does not name, and takes
it for a fault that they are not refused: HTTP lets every caller and proxy send others.
"""
SHORT = ("--phases", "examples,fuzzing", "--max-examples", "6")
_COUNTED = re.compile(r"(\d+) generated")


def fuzz(url: str, seed: int, how: tuple[str, ...] = LONG) -> tuple[Counter[str], list[str]]:
    """(requests sent, what is wrong) of the gateway at `url`."""
    program = Path(sys.executable).with_name("schemathesis")
    with tempfile.TemporaryDirectory(prefix="riskstream-fuzz-") as folder:
        done = _run(program, url, seed, how, folder)
    counted = _COUNTED.search(done.stdout)
    counts = Counter(requests=int(counted[1]) if counted else 0)
    if done.returncode == 0 and counted:
        return counts, []
    _, _, failures = done.stdout.partition("FAILURES =")
    lines = (failures or done.stdout + done.stderr).splitlines()
    return counts, [line for line in lines if line.strip()][:60] or ["it said nothing"]


def _run(
    program: Path, url: str, seed: int, how: tuple[str, ...], folder: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(program),
            f"--config-file={CONFIG}",
            "run",
            f"{url}/openapi.json",
            *how,
            f"--seed={seed}",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=folder,  # it keeps what failed there
        check=False,
    )


def proof(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """The long form, on a gateway with a broker and a scorer."""
    with Chain(folder / "chain", model, names=("scorer", "gateway")) as chain:
        counts, problems = fuzz(chain.gateway, seed)
        more, others = fuzz(chain.gateway, seed, COVERAGE)
    return counts + more, problems + others
