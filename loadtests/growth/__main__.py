"""`make bench-growth`: what an event costs as keys, windows, trees, partitions and processes grow.

Writes build/bench/growth.json, and with --page the docs page with its charts.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

from loadtests.growth.curves import Curve
from loadtests.growth.drains import by_partitions_and_processes
from loadtests.growth.memory import by_keys, by_trees, by_windows
from loadtests.growth.page import write_page
from loadtests.rows import machine

ROOT = Path(__file__).resolve().parents[2]
_NEEDED_GIB = 8
"""Memory that ten million customers take, with room."""


def _alone(make: Callable[[], Curve]) -> Curve:
    """In a process of its own, so that none finds the memory of another."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(make)


def _free_gib() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith("MemAvail")) / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.growth", description=__doc__)
    parser.add_argument("--only", default="keys,windows,trees,drains")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--page", type=Path, default=None, help="write the page of the docs there")
    given = parser.parse_args()
    started, wanted = time.monotonic(), set(given.only.split(","))
    folder = given.out / "growth-run"
    folder.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:6.0f} s] {text}", flush=True)

    curves: list[Curve] = []
    skipped: list[dict[str, str]] = []
    for name, make in (("keys", by_keys), ("windows", by_windows), ("trees", by_trees)):
        if name not in wanted:
            continue
        if name == "keys" and _free_gib() < _NEEDED_GIB:
            why = f"{_free_gib():.0f} GiB of memory are free, {_NEEDED_GIB} are needed"
            skipped.append({"name": name, "why": why})
            say(f"keys are skipped: {why}")
            continue
        curves.append(_alone(make))
        say(json.dumps(curves[-1].record()))
    if "drains" in wanted:
        curves += by_partitions_and_processes(folder, say)
    result = {
        "machine": machine(),
        "curves": [each.record() for each in curves],
        "skipped": skipped,
    }
    (given.out / "growth.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    if given.page:
        write_page(given.page, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
