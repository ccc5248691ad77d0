"""`python -m loadtests.proof [--only NAME,…]`: runs the proofs; build/proof/<name>.json says what
each counted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from loadtests.bounds.__main__ import run as run_bounds
from loadtests.chaos.run import run_chaos
from loadtests.gateway import fuzz
from loadtests.model import small_model
from loadtests.proof import schedules as named
from loadtests.proof.burst import burst
from loadtests.proof.clients import clients
from loadtests.proof.drains import drains
from loadtests.proof.holds import expired
from loadtests.proof.old import old
from loadtests.proof.outages import broker_away, bulk_beside, scorer_away
from loadtests.proof.page import write_page
from loadtests.proof.profiles import freshness, handbook
from loadtests.proof.recovery import kill_recovery
from loadtests.proof.releases import releases
from loadtests.proof.rolling import rolling
from loadtests.proof.snapshots import snapshots
from loadtests.proof.stage import play
from loadtests.proof.tokens import keycloak
from loadtests.proof.traces import traces

Found = tuple[Counter[str], list[str]]
OUT = Path("build/proof")


def fault_points(_folder: Path, _model: Path, _seed: int) -> Found:
    """Scorer (three times), tracker, profiler and reporter ended at every step, by a kill, an
    exception and a second Ctrl-C.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "tests/e2e/test_fault_points.py",
            "tests/integration/test_exceptions.py",
            "tests/integration/test_reporter.py",
            "tests/integration/test_profiler.py::test_a_profiler_that_fails_at_a_step_is_as_if_it_did_not",
            "--timeout",
            "1200",
        ],
        env={**os.environ, "RISKSTREAM_FAULT_TIMES": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = done.stdout.count(" passed") and int(done.stdout.rsplit(" passed", 1)[0].split()[-1])
    return Counter(passed=int(passed)), [] if done.returncode == 0 else done.stdout.splitlines()[
        -20:
    ]


def chaos(folder: Path, model: Path, seed: int, *, minutes: float, runtime: str) -> Found:
    """The mix, and the same against Faust, whose losses are published without a goal."""
    result = run_chaos(folder, model, minutes=minutes, seed=seed, rate=300, runtime=runtime)
    return Counter(result["counts"]), [] if result["ok"] or runtime != "lane" else result[
        "problems"
    ]


PROOFS: dict[str, Callable[[Path, Path, int], Found]] = {
    "bounds": lambda _f, _m, seed: run_bounds(300, seed, tests=True),
    "clients": clients,
    "fault-points": fault_points,
    "coordinator-cut": lambda f, m, s: play(f, m, s, named.coordinator_cut, brokers=3),
    "load-between": lambda f, m, s: play(f, m, s, named.load_between, count=20_000),
    "compacted-zombie": lambda f, m, s: play(f, m, s, named.compacted_zombie, count=30_000),
    "gap-refused": lambda f, m, s: play(f, m, s, named.gap_refused),
    "gap-full-queue": lambda f, m, s: play(
        f, m, s, named.gap_full_queue, count=20_000, env={"RISKSTREAM_SCORER_OUTPUT_QUEUE": "1000"}
    ),
    "gap-broker-away": lambda f, m, s: play(f, m, s, named.gap_broker_away, rate=30, count=16_000),
    "reader-restart": lambda f, m, s: play(f, m, s, named.reader_restart, reader_every_s=2),
    "markers": lambda f, m, s: play(f, m, s, named.markers),
    "revoke-inside-consume": lambda f, m, s: play(
        f, m, s, named.revoke_inside_consume, count=20_000
    ),
    "swap": lambda f, m, s: play(f, m, s, named.swap),
    "upstream-duplicate": lambda f, m, s: play(f, m, s, named.upstream_duplicate, count=16_000),
    "expired": expired,
    "snapshots": snapshots,
    "clock": lambda f, m, s: play(f, m, s, named.clock),
    "rolling": rolling,
    "releases": releases,
    "traces": traces,
    "kill-recovery": kill_recovery,
    "gateway-scorer-away": scorer_away,
    "gateway-broker-away": broker_away,
    "gateway-bulk": bulk_beside,
    "gateway-burst": burst,
    "gateway-keycloak": keycloak,
    "gateway-fuzz": fuzz.proof,
    "drains": drains,
    "old": old,
    "profile-freshness": freshness,
    "handbook-stack": handbook,
    "chaos": partial(chaos, minutes=10, runtime="lane"),
    "chaos-faust": partial(chaos, minutes=3, runtime="faust"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.proof", description=__doc__)
    parser.add_argument("--only", default="", help=f"of {', '.join(PROOFS)}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--page", type=Path, default=None, help="write the page of the docs there, from all results"
    )
    parser.add_argument(
        "--client",
        choices=["auto", "python"],
        default="auto",
        help="how services pass records to and from Kafka; results of python are in a folder of "
        "their own",
    )
    given = parser.parse_args()
    out = OUT if given.client == "auto" else OUT / given.client
    for service in ("SCORER", "TRACKER", "PROFILER", "REPORTER"):
        os.environ[f"RISKSTREAM_{service}_CLIENT"] = given.client
    names = [name for name in given.only.split(",") if name] or list(PROOFS)
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        parser.error(f"no proof {unknown[0]}: one of {', '.join(PROOFS)}")
    model = small_model(Path("build/loadtests/model"))
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in names:
        started = time.monotonic()
        folder = out / "runs" / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            counts, problems = PROOFS[name](folder, model, given.seed)
        except Exception as error:
            counts, problems = Counter(), [f"{type(error).__name__}: {error}"]
        result = {
            "name": name,
            "on": f"{datetime.now(UTC):%Y-%m-%d}",
            "ok": not problems,
            "seconds": round(time.monotonic() - started, 1),
            "seed": given.seed,
            "counts": dict(sorted(counts.items())),
        }
        (out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        print(
            f"PROOF {name}: {'ok' if not problems else 'WRONG'} in {result['seconds']} s",
            flush=True,
        )
        for problem in problems[:10]:
            print(f"  {problem[:400]}", flush=True)
        failed += [name] if problems else []
    if given.page:
        write_page(given.page, out, given.client)
    print(
        f"{len(names) - len(failed)} of {len(names)} proofs "
        f"hold{': not ' + ', '.join(failed) if failed else ''}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
