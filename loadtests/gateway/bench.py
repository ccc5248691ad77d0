"""`make bench-gateway`: what the gateway costs, beside a plain app with FastAPI, uvicorn and
aiokafka, in one run and in turns. Writes build/bench/gateway.json; under 10 minutes.

Accepted transactions a core: of the server's own CPU, while a closed loop keeps it busy. Decisions
are asked for at a steady rate, open loop, of the whole chain.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import uvloop
from click.testing import CliRunner

from loadtests.gateway.driver import Connection
from loadtests.model import small_model
from loadtests.rows import Row, write_result
from riskstream.cli.keys import command as keys
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.server import Server, free_port
from riskstream.workbench.local.services import cpu_s, start_service, wait_ready

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / "build/peers/fastapi"
CALLERS, BATCHES, BATCH = 32, 8, 100
"""Callers of single transactions and of batches, and how many transactions a batch has."""
GOALS = {"single": 2.0, "batch": 10.0}
STREAMS = {1: None, 10: None, BATCH: 6.0}
"""Transactions a batch of a gRPC stream, and the goal over the plain app's single ones."""
P50_MS, DECISION_CPU_MS = 6.0, 2.0


class Load:
    """A closed loop of callers over kept connections, for some seconds."""

    def __init__(self, port: int, path: str, items: int, key: str) -> None:
        self._port, self._path, self._items, self._key = port, path, items, key
        self._sent, self._tag = 0, secrets.token_hex(4)  # repeats are not published
        self.accepted = 0

    async def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        callers = CALLERS if self._items == 1 else BATCHES
        await asyncio.gather(*(self._call(end) for _ in range(callers)))

    async def _call(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        while time.monotonic() < end:
            status, raw = await connection.ask(self._request())
            if status not in (200, 202):
                raise RuntimeError(f"{self._path} is answered {status}: {raw[:200]!r}")
            self.accepted += 1 if self._items == 1 else json.loads(raw)["accepted"]
        connection.transport.close()

    def _request(self) -> bytes:
        now_ms = int(time.time() * 1000)
        rows = []
        for _ in range(self._items):
            self._sent += 1
            rows.append(
                f'{{"transaction_id":"{self._tag}-{self._sent}","customer_id":'
                f'"c-{self._sent % 5000}","account_token":"tok-1","channel":"POS","kind":'
                f'"PURCHASE","amount_minor":{1000 + self._sent % 977},"currency":"EUR",'
                f'"terminal_id":"term-9","mcc":5411,"country":"BE","occurred_at":{now_ms}}}'
            )
        body = rows[0] if self._items == 1 else f"[{','.join(rows)}]"
        return (
            f"POST {self._path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
            f"X-Api-Key: {self._key}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


def a_core(load: Load, pid: int, seconds: float) -> float:
    """Accepted transactions a second of one core."""
    before = cpu_s(pid)
    uvloop.run(load.run(seconds))
    return load.accepted / (cpu_s(pid) - before)


class Bench:
    """`rows`: what was measured."""

    def __init__(self, rounds: int, seconds: float) -> None:
        self._rounds, self._seconds = rounds, seconds
        self.rows: list[Row] = []

    def accepted(self, folder: Path) -> None:
        """Single transactions and batches, beside the peer."""
        with Chain(folder / "chain", folder, names=()) as chain, ExitStack() as exits:
            kafka, ours, theirs = chain.stack.kafka, free_port(), free_port()
            rpc = free_port()
            made = CliRunner().invoke(
                keys,
                ["create", "bench", "--scope", "all", "--kafka", kafka],
                catch_exceptions=False,
            )
            key = made.stdout.split()[0]
            given = ("--kafka", kafka, "--port", str(ours), "--grpc-port", str(rpc))
            service = start_service("gateway-bench", folder, *given)
            exits.callback(service.server.stop)
            wait_ready([service])
            gateway = service.server.pid
            app = [str(PEER / "bin/python"), str(Path(__file__).with_name("fastapi_app.py"))]
            schema = str(ROOT / "schemas/transaction.v1.avsc")
            peer = Server(
                "fastapi", [*app, kafka, schema, str(theirs), key], folder / "fastapi.log"
            )
            exits.callback(peer.stop)
            _until_open(theirs, peer)
            for name, path, items in (
                ("single", "/v1/transactions", 1),
                ("batch", "/v1/transactions:batch", BATCH),
            ):
                found: dict[int, list[float]] = {ours: [], theirs: []}
                for number in range(self._rounds + 1):
                    for port, pid in ((ours, gateway), (theirs, peer.pid)):
                        rate = a_core(Load(port, path, items, key), pid, self._seconds)
                        if number:  # the first is to warm both
                            found[port].append(rate)
                row = Row.compared(
                    f"accepted a second of one core, {name}",
                    found[theirs],
                    found[ours],
                    "transactions/s",
                    GOALS[name],
                    higher=True,
                )
                _say(f"{name}: {median(found[ours]):,.0f} beside {median(found[theirs]):,.0f}")
                self.rows.append(row)
                if items == 1:
                    plain = found[theirs]
            self._rpc(rpc, gateway, key, plain)

    def _rpc(self, port: int, pid: int, key: str, plain: list[float]) -> None:
        """The gRPC door beside the plain app's single transactions of the same run."""
        where = f"127.0.0.1:{port}"
        kinds: list[tuple[str, list[str], float | None]] = [
            (f"gRPC stream of batches of {items}", ["stream", where, key, str(items)], goal)
            for items, goal in STREAMS.items()
        ]
        kinds.append(("gRPC single", ["accept", where, key], None))
        for name, given, goal in kinds:
            found = [_rpc_a_core(given, pid, self._seconds) for _ in range(self._rounds + 1)][1:]
            row = Row.compared(
                f"accepted a second of one core, {name}",
                plain,
                found,
                "transactions/s",
                goal,
                higher=True,
            )
            _say(f"{name}: {median(found):,.0f} beside {median(plain):,.0f}")
            self.rows.append(row)

    def decisions(self, folder: Path, model: Path) -> None:
        """Of the whole chain: latency at 200/s, and CPU of each service at 75/s."""
        names = ("scorer", "tracker", "gateway")
        rpc = free_port()
        env = {"RISKSTREAM_GATEWAY_GRPC_PORT": str(rpc)}
        with Chain(folder / "chain", model, names=names, env=env) as chain:
            wait_ready(list(chain.services.values()))
            _ask(chain.gateway, 100, 5, "warm")
            took = [_ask(chain.gateway, 200, 10, f"r{number}") for number in range(self._rounds)]
            self._latency("decision at 200/s", took)
            where = f"127.0.0.1:{rpc}"
            _ask_rpc(where, 100, 2, "g-warm")
            took = [_ask_rpc(where, 200, 10, f"g{number}") for number in range(self._rounds)]
            self._latency("decision by gRPC at 200/s", took)
            spent: dict[str, list[float]] = {name: [] for name in names}
            for number in range(self._rounds):
                before = {name: cpu_s(chain.services[name].server.pid) for name in names}
                count = len(_ask(chain.gateway, 75, 10, f"c{number}"))
                for name in names:
                    used = cpu_s(chain.services[name].server.pid) - before[name]
                    spent[name].append(used / count * 1000)
            for name in names:
                self._row(Row.figure(f"a decision's CPU at 75/s, {name}", spent[name], "ms"))
            whole = [sum(each) for each in zip(*spent.values(), strict=True)]
            self._row(Row.most("a decision's CPU at 75/s, all", whole, "ms", DECISION_CPU_MS))

    def _latency(self, name: str, took: list[list[float]]) -> None:
        p50 = [sorted(each)[len(each) // 2] for each in took]
        p99 = [sorted(each)[int(len(each) * 0.99)] for each in took]
        self._row(Row.most(f"{name}, p50", p50, "ms", P50_MS))
        self._row(Row.figure(f"{name}, p99", p99, "ms"))

    def _row(self, row: Row) -> None:
        _say(f"{row.name}: {row.ours:.2f} {row.unit}")
        self.rows.append(row)


def _rpc_a_core(given: list[str], pid: int, seconds: float) -> float:
    """Accepted transactions a second of one core, by a caller in a process of its own."""
    before = cpu_s(pid)
    out = _rpc_driver(*given, str(seconds))
    return int(out) / (cpu_s(pid) - before)


def _ask_rpc(where: str, rate: float, seconds: float, tag: str) -> list[float]:
    """As `_ask`, by gRPC."""
    said = json.loads(_rpc_driver("decide", where, str(rate), str(seconds), tag))
    wrong = [each for each in said if each["rung"] != 1]
    if len(wrong) > len(said) / 100:
        raise RuntimeError(f"{len(wrong)} of {len(said)} were not decided by a score: {wrong[0]}")
    return [each["took_ms"] for each in said]


def _rpc_driver(*given: str) -> str:
    command = [sys.executable, "-m", "loadtests.gateway.rpc_driver", *given]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _ask(gateway: str, rate: float, seconds: float, tag: str) -> list[float]:
    """How long each decision took, ms, from when it was due."""
    command = [sys.executable, "-m", "loadtests.gateway.driver", gateway]
    command += ["/v1/decisions?deadline_ms=1000", str(rate), str(seconds), tag]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    said = [json.loads(line) for line in out.splitlines()]
    wrong = [each for each in said if each["status"] != 200 or each["rung"] != "SCORE"]
    if len(wrong) > len(said) / 100:
        raise RuntimeError(f"{len(wrong)} of {len(said)} were not decided by a score: {wrong[0]}")
    return [each["took_ms"] for each in said]


def _until_open(port: int, server: Server) -> None:
    async def is_open() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    _until(lambda: asyncio.run(is_open()), server)


def _until(is_so: Callable[[], bool], server: Server) -> None:
    end = time.monotonic() + 30
    while not is_so():
        if not server.is_running or time.monotonic() > end:
            raise server.failure()
        time.sleep(0.1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="loadtests.gateway.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of one measurement")
    given = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    bench, skipped = Bench(given.rounds, given.seconds), list[dict[str, str]]()
    with tempfile.TemporaryDirectory() as folder:
        if (PEER / ".ready").exists():
            bench.accepted(Path(folder) / "accepted")
        else:
            skipped.append({"name": "fastapi", "why": "it could not be installed"})
        bench.decisions(Path(folder) / "decisions", small_model(ROOT / "build/loadtests/model"))
    took = time.monotonic() - began
    said = f"{given.rounds} rounds in turns; load average {load:.1f} before; {took:.0f} s"
    write_result(ROOT / "build/bench/gateway.json", said, bench.rows, skipped)


if __name__ == "__main__":
    main()
