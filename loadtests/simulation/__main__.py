"""`make simulation`: runs histories until one fails, or so many held; runs one again by its seed;
puts faults back.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from loadtests.simulation.mutations import MUTATIONS, put_back


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000, help="how many at most")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long at most")
    parser.add_argument("--from-seed", type=int, default=0, help="the seed of the first history")
    parser.add_argument(
        "--cores", type=int, default=0, help="processes beside each other; 0: one a core"
    )
    parser.add_argument(
        "--scene",
        default="",
        choices=("", "exact", "scorer", "tracker", "forward", "profiler", "reports"),
        help="histories of one lane alone",
    )
    parser.add_argument("--seed", type=int, help="run this history alone, and show it")
    parser.add_argument(
        "--mutations", action="store_true", help="put each fault back and say when it is found"
    )
    parser.add_argument("--mutation", help="put this fault back in whatever else is asked for")
    parser.add_argument(
        "--first",
        action="store_true",
        help="end at the first history that fails, and say how many there were",
    )
    given = parser.parse_args()
    if given.mutations:
        return _mutations(given.minutes * 60, given.cores)
    if given.mutation:
        mutation = put_back(given.mutation)
        given.scene = given.scene or mutation.scene
        print(f"with a fault put back: {mutation.what}")
    if given.seed is not None:
        return _one(given.seed, given.scene)
    if given.first:
        return _until_first(given)
    return _many(given)


def _until_first(given: argparse.Namespace) -> int:
    from loadtests.simulation.campaign import ready, several

    ready()
    began, seed = time.time(), given.from_seed
    for first in range(seed, seed + given.histories):
        found = several(first, 1, began + given.minutes * 60, given.scene)
        if not found.histories:
            break
        for problems in found.failures.values():
            print(
                f"found after {first - seed + 1} histories, {time.time() - began:.1f} s: "
                f"{problems[0]}"
            )
            return 1
    return 0


def _many(given: argparse.Namespace) -> int:
    from loadtests.simulation.campaign import Campaign, campaign

    told_at, found = time.time(), Campaign()
    for found in campaign(
        given.from_seed, given.histories, given.minutes * 60, given.cores, given.scene
    ):
        if time.time() - told_at > 30:
            told_at = time.time()
            print(
                f"{found.histories:8} histories, {found.histories / found.seconds:.0f} a second",
                flush=True,
            )
    rate = found.histories / max(found.seconds, 1e-9)
    print(
        f"{found.histories} histories in {found.seconds:.0f} s, {rate:.0f} a second; "
        f"{found.steps:,} steps"
    )
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(found.counts.items())))
    for seed, problems in sorted(found.failures.items()):
        print(f"seed {seed} fails: {problems[0]}")
    if not found.failures:
        print("every history held")
        return 0
    return _shrink(min(found.failures), given.scene)


def _one(seed: int, scene: str) -> int:
    """The same history, its trace, and where it fails what is left of it when it is made small."""
    from loadtests.simulation.history import quiet, run
    from loadtests.simulation.plan import made

    quiet()
    result = run(made(seed, scene))
    print(f"seed {seed}: {result.steps} steps, trace {result.trace:08x}, {_told(result.counts)}")
    for problem in result.problems:
        print(f"  {problem}")
    return _shrink(seed, scene) if result.problems else 0


def _shrink(seed: int, scene: str) -> int:
    from loadtests.simulation.history import quiet, run
    from loadtests.simulation.plan import Plan, made
    from loadtests.simulation.shrink import shrunk

    def fails(plan: Plan) -> bool:
        return bool(run(plan).problems)

    quiet()
    whole = made(seed, scene)
    plan = shrunk(whole, fails)
    result = run(plan)
    print(
        f"seed {seed}, {len(whole.deeds)} deeds made {len(plan.deeds)}, schedule "
        f"{plan.schedule}, {plan.processes} processes:"
    )
    for deed in plan.deeds:
        print(f"  {deed}")
    for problem in result.problems:
        print(f"  => {problem}")
    return 1


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))


def _mutations(seconds: float, cores: int) -> int:
    """Each fault in a process of its own: a table of after how many histories it was found, and
    seconds.
    """
    print("| fault | what it is | scene | histories | seconds |\n| --- | --- | --- | --: | --: |")
    all_found = True
    with ThreadPoolExecutor(cores or os.cpu_count() or 1) as pool:
        several = pool.map(lambda each: _found(each.name, seconds), MUTATIONS)
        for mutation, (histories, took) in zip(MUTATIONS, several, strict=True):
            all_found = all_found and bool(took)
            what = f"| `{mutation.name}` | {mutation.what} | {mutation.scene}"
            print(f"{what} | {histories} | {took} |", flush=True)
    return 0 if all_found else 1


def _found(name: str, seconds: float) -> tuple[str, str]:
    """(how many histories, how many seconds); what happened instead and nothing where it was not
    found.
    """
    command = [
        sys.executable,
        "-m",
        "loadtests.simulation",
        "--mutation",
        name,
        "--minutes",
        str(seconds / 60),
        "--first",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        found = re.match(r"found after (\d+) histories, ([\d.]+) s", line)
        if found:
            return found[1], found[2]
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1]}", ""
    return "not found", ""


if __name__ == "__main__":
    sys.exit(main())
