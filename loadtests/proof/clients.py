"""The last releases of confluent-kafka, each in a folder of its own: compiled code serves with
each, and takes and puts what their own calls do.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

Found = tuple[Counter[str], list[str]]
RELEASES = ("2.15.0", "2.15.1", "2.16.0", "2.16.1")
"""The last four; the scorer needs 2.15 at least."""
_TESTS = (
    "tests/unit/platform/kafka/test_native_client.py",
    "tests/integration/test_native_client.py",
    "tests/integration/test_lanes_on_a_broker.py::TestExact",
    "tests/integration/test_lanes_on_a_broker.py::TestExactInPython",
)


def clients(folder: Path, _model: Path, _seed: int) -> Found:
    """The tests of the compiled client and of the exact lane pass with each release."""
    counts, problems = Counter[str](), list[str]()
    for release in RELEASES:
        place = folder / release
        got = _run("pip", "install", "-q", "--no-deps", "--target", str(place), _pinned(release))
        if got.returncode != 0:
            problems.append(f"{release} was not installed: {got.stderr.strip()[-200:]}")
            continue
        path = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
        said = _run("-c", "import confluent_kafka as c; print(c.__file__)", path=path).stdout
        if not said.startswith(str(place.resolve())):
            problems.append(f"{release} is not what runs: {said.strip()}")
            continue
        done = _run("pytest", "-q", *_TESTS, path=path)
        if found := re.search(r"(\d+) passed", done.stdout):
            counts[f"passed with {release}"] = int(found[1])
        if done.returncode != 0:
            problems += [f"{release}: {line}" for line in done.stdout.splitlines()[-20:]]
    return counts, problems


def _pinned(release: str) -> str:
    return f"confluent-kafka=={release}"


def _run(what: str, *more: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """A module of this Python, or its `-c`; `path`: where it looks first."""
    how = [what] if what == "-c" else ["-m", what]
    return subprocess.run(
        [sys.executable, *how, *more],
        env={**os.environ, **({"PYTHONPATH": path} if path else {})},
        capture_output=True,
        text=True,
        check=False,
    )
