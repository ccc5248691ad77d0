"""`make bench-chain`: what each service does a core, and the whole chain from one backlog.

First all services at once drain a backlog of transactions and labels. Then, on servers of their
own, one service after the other drains a smaller one by itself. CPU is of each service's process,
without its start and with its last flush. Writes build/bench/chain.json; at most 10 minutes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from loadtests.chain.data import LABELS, TRANSACTIONS, send_backlog
from loadtests.chain.stage import BEFORE
from loadtests.chain.watch import Progress, Work, watch
from loadtests.model import small_model
from loadtests.rows import Row, write_result
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.server import Server
from riskstream.workbench.local.services import wait_ready

ROOT = Path(__file__).resolve().parents[2]
SCORES, EVENTS = "scores.v1", "profile-events.v1"
REPORTED = (SCORES, "customer-risk.v1", "alerts.v1")
"""What a reporter reads."""
GOAL_WALL = 1.5
GOALS = {"tracker": 150_000, "profiler's owner": 150_000, "reporter": 400_000}
"""Records a second of one core."""
ALL = ("scorer", "tracker", "profiler", "reporter", "gateway")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """`rows`: what was measured."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._model = folder, small_model(ROOT / "build/loadtests/model")
        self.rows: list[Row] = []

    def _chain(self, name: str, every_s: int) -> Chain:
        env = {
            "RISKSTREAM_REPORTER_OUT": str(self._folder / name / "reports"),
            "RISKSTREAM_REPORTER_EVERY_S": str(every_s),
            "RISKSTREAM_REPORTER_SO_FAR": "true",
            "RISKSTREAM_GATEWAY_DRAIN_S": "0",
        }
        return Chain(self._folder / name, self._model, _say, names=(), env=env)

    def together(self, count: int) -> None:
        """All services at once, from one backlog."""
        with self._chain("together", 2) as chain:
            _say(f"together: sending {count:,} transactions and their labels")
            labels = send_backlog(chain.stack.kafka, count)
            progress = Progress(chain.stack.kafka)
            chain.start("gateway")
            wait_ready(list(chain.services.values()))
            for name in ALL[:-1]:
                chain.start(name)
            works = {
                name: self._work(name, chain.services[name].server, progress, count, labels)
                for name in ALL
            }
            watch(list(works.values()))
            began = works["scorer"].began_at()
            scorer = works["scorer"].done_at() - began
            self._figure("together, scorer, wall", scorer, "s")
            for name in ALL:
                self._figure(f"together, {name}, CPU a record", works[name].cpu_us(), "us")
            for name in ("tracker", "profiler", "reporter"):
                took = works[name].done_at() - began
                self._most(f"together, {name}, wall over the scorer's", took / scorer, GOAL_WALL)
            progress.close()

    def alone(self, count: int) -> None:
        """One service after the other; each finds what the one before wrote."""
        with self._chain("alone", 4) as chain:
            kafka, redis = chain.stack.kafka, chain.stack.redis
            _say(f"alone: sending {count:,} transactions and their labels")
            labels = send_backlog(kafka, count)
            progress = Progress(kafka)
            for name in ("scorer", "tracker", "shuffle", "owner", "reporter"):
                if name in ("shuffle", "owner"):
                    command = [sys.executable, "-m", "loadtests.chain.stage", name, kafka, redis]
                    server = Server(name, command, self._folder / f"{name}.log")
                else:
                    server = chain.start(name).server
                if name == "reporter":
                    wait_ready([chain.services[name]])
                work = self._work(name, server, progress, count, labels)
                if name == "owner":
                    work.spent_before = partial(_spent_before, self._folder / "owner.log")
                watch([work])
                server.stop()
                self._a_core(name, work)
            progress.close()
            for verb, of in (("rebuild", count), ("parity", 2 * count)):
                self._command(verb, of, kafka, redis)

    def _work(self, name: str, server: Server, progress: Progress, count: int, labels: int) -> Work:
        def events() -> int:
            shuffled = progress.committed("profiler-shuffle", TRANSACTIONS, LABELS)
            return progress.ends(EVENTS) if shuffled >= count + labels else sys.maxsize

        done, wanted = {
            "scorer": (lambda: progress.ends(SCORES), lambda: count),
            "gateway": (lambda: progress.ends(SCORES), lambda: count),
            "tracker": (lambda: progress.committed("tracker", SCORES), lambda: count),
            # each record gives an event of a terminal and one of a device
            "shuffle": (lambda: progress.ends(EVENTS), lambda: 2 * (count + labels)),
            "owner": (lambda: progress.committed("profiler", EVENTS), events),
            "profiler": (lambda: progress.committed("profiler", EVENTS), events),
            "reporter": (progress.reported, lambda: count),
        }[name]
        whole = name in ("reporter", "gateway")
        read = (lambda: progress.ends(*REPORTED)) if name == "reporter" else None
        return Work(name, server, done, wanted, whole=whole, read=read)

    def _command(self, command: str, records: int, kafka: str, redis: str) -> None:
        """A command's CPU a record, without the start of Python."""
        given = ["--kafka", kafka, "--features", "standard"]
        given += ["--redis", redis] if command == "rebuild" else []
        spent = {}
        for arguments in (["--help"], given):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run = [str(Path(sys.executable).with_name("riskstream")), command, *arguments]
            subprocess.run(run, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent[arguments[0]] = sum(after[:2]) - sum(before[:2])
        cpu_us = (spent["--kafka"] - spent["--help"]) / records * 1e6
        self._figure(f"alone, {command}, CPU a record read", cpu_us, "us")

    def _a_core(self, name: str, work: Work) -> None:
        name = {"owner": "profiler's owner", "shuffle": "profiler's shuffle"}.get(name, name)
        cpu_us = work.cpu_us()
        self._figure(f"alone, {name}, CPU a record", cpu_us, "us")
        if name in GOALS:
            text = f"alone, {name}, records a second of one core"
            self.rows.append(Row.least(text, [1e6 / cpu_us], "records/s", GOALS[name]))

    def _figure(self, name: str, value: float, unit: str) -> None:
        _say(f"{name}: {value:.2f} {unit}")
        self.rows.append(Row.figure(name, [value], unit))

    def _most(self, name: str, value: float, goal: float) -> None:
        _say(f"{name}: {value:.2f}")
        self.rows.append(Row.most(name, [value], "", goal))


def _spent_before(log: Path) -> float:
    """CPU seconds, as `stage` says."""
    lines = log.read_text().splitlines()
    return float(next(line for line in lines if line.startswith(BEFORE)).removeprefix(BEFORE))


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.chain", description=__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000, help="drained together")
    parser.add_argument("--alone", type=int, default=300_000, help="drained by one at a time")
    parser.add_argument("--only", choices=["together", "alone"], help="only this part")
    given = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        if given.only != "alone":
            bench.together(given.transactions)
        if given.only != "together":
            bench.alone(given.alone)
    took = time.monotonic() - began
    said = (
        f"{given.transactions:,} transactions together, {given.alone:,} for each alone; load "
        f"average {load:.1f} before; {took:.0f} s"
    )
    write_result(ROOT / "build/bench/chain.json", said, bench.rows, [])


if __name__ == "__main__":
    main()
