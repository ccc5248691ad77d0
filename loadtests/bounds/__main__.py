"""`make test-bounds`: the kernels' tests and fuzzing, with bound checks on and with canaries;
build/proof/bounds.json.

    python -m loadtests.bounds [--seconds 300] [--seed 7] [--no-tests] [--out FILE]

Each episode has a seed of its own (SEED and its number), so that one that fails can be run again.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

TESTS = (
    "tests/unit/domain/risk",
    "tests/unit/domain/contracts",
    "tests/unit/scorer",
    "tests/unit/platform/kafka/test_native_client.py",
    "tests/unit/tracker",
    "tests/unit/reporter/test_states.py",
)
_CACHE = Path("build/bounds/numba")


def run(seconds: float, seed: int, *, tests: bool) -> tuple[Counter[str], list[str]]:
    """(counts, problems): the tests and half of the time with bound checks, the other half with
    canaries.
    """
    counts: Counter[str] = Counter()
    problems: list[str] = []
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(_CACHE.absolute())}
    if tests:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                *TESTS,
                "--timeout",
                "1200",
            ],
            env={**os.environ, **checked},
            capture_output=True,
            text=True,
            check=False,
        )
        problems += [] if done.returncode == 0 else done.stdout.splitlines()[-20:]
    for name, env in (("bounds", checked), ("canaries", {})):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "loadtests.bounds",
                "--mode",
                name,
                "--seconds",
                str(seconds / 2),
                "--seed",
                str(seed),
            ],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            problems += [
                f"{name}:",
                *done.stdout.splitlines()[-15:],
                *done.stderr.splitlines()[-5:],
            ]
        else:
            counts.update(
                {
                    f"{name}_{key}": value
                    for key, value in json.loads(done.stdout.splitlines()[-1]).items()
                }
            )
    return counts, problems


def _fuzz(mode: str, seconds: float, seed: int) -> int:
    """Episodes until the time is over; 1 at the first that writes past an end, reads past one, or
    raises.
    """
    from loadtests.bounds.canaries import Canaries
    from loadtests.bounds.fuzz import EPISODES
    from riskstream.runtime.kernel import compile_all

    compile_all()
    counts: Counter[str] = Counter()
    canaries = Canaries()
    number, end = 0, None
    while end is None or time.monotonic() < end:
        random = np.random.default_rng([seed, number])
        try:
            with canaries.watching() if mode == "canaries" else contextlib.nullcontext():
                EPISODES[number % len(EPISODES)](random, counts)
            broken = canaries.broken()
            if broken:
                raise AssertionError(f"{broken} arrays were written past their end")
        except Exception:
            print(
                f"episode {number} of seed {seed} "
                f"({EPISODES[number % len(EPISODES)].__name__})\n{traceback.format_exc()}"
            )
            return 1
        number += 1
        if number == len(EPISODES):  # the time begins when every kernel is compiled
            end = time.monotonic() + seconds
    print(
        json.dumps(
            {
                "episodes": number,
                **counts,
                **({"arrays": canaries.watched} if mode == "canaries" else {}),
            }
        )
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.bounds", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--no-tests", action="store_true", help="fuzz only, leave the kernels' tests out"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/proof/bounds.json"), help="where the result goes"
    )
    parser.add_argument(
        "--mode", choices=("bounds", "canaries"), default=None, help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.mode:
        return _fuzz(given.mode, given.seconds, given.seed)
    # so that `subprocess.run` ends its child
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    counts, problems = run(given.seconds, given.seed, tests=not given.no_tests)
    result = {
        "name": "bounds",
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "ok": not problems,
        "seconds": round(time.monotonic() - started, 1),
        "seed": given.seed,
        "counts": dict(sorted(counts.items())),
        "problems": problems,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join(problems) or f"nothing was written past an end: {dict(sorted(counts.items()))}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
