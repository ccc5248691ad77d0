"""`make bench-telemetry`: what tracing 1 % of the transactions costs each service, and one span
alone.

CPU of each service's own process, the collector's not counted. Always two side by side, one that
traces, so that what else the machine does is felt by both: two scorers that drain a backlog on the
same core, two chains that answer callers. Writes build/bench/telemetry.json; at most 10 minutes.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadtests.collector import Collector
from loadtests.model import small_model
from loadtests.peers.contender import Contender, drain, make_topic
from loadtests.peers.data import transactions
from loadtests.rows import Row, write_result
from loadtests.telemetry.callers import Callers
from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.lanes.hop_spans import HopSpans
from riskstream.platform.kafka.traced import context_in, header_of
from riskstream.platform.telemetry.context import new_trace
from riskstream.platform.telemetry.exporter import encode
from riskstream.platform.telemetry.tracing import Tracer
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
EVENTS, EVERY = 600_000, 100
GOAL = 1.03
BLOCK_S, RATE = 15.0, 75.0
SERVICES = ("gateway", "scorer", "tracker")


class Bench:
    """`ratios` and CPU us by name, an entry a round."""

    def __init__(self, folder: Path, rounds: int, say: Callable[[str], None]) -> None:
        self._folder, self._rounds, self._say = folder, rounds, say
        self._model = small_model(ROOT / "build/loadtests/model")
        self.drained: dict[str, list[float]] = {"plain": [], "traced": []}
        self.served: dict[str, dict[str, list[float]]] = {
            name: {"plain": [], "traced": []} for name in SERVICES
        }
        self.spans = 0

    def run(self) -> None:
        with Collector() as collector:
            self._drain(collector)
        with Collector() as collector:
            self._serve(collector)

    def _drain(self, collector: Collector) -> None:
        # the broker, Redis, the collector and this process; the scorers share core 1
        os.sched_setaffinity(0, {0})
        table = transactions(EVENTS, seed=1, end_ms=int(time.time() * 1000) - 60_000)
        with Stack(self._folder / "stack", progress=self._say) as stack:
            TopicAdmin(stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
            for name, every in (("plain", 0), ("traced", EVERY)):
                self._say(f"sending {EVENTS:,} transactions, {name}")
                _send(stack.kafka, make_topic(stack.kafka, name), table, every)
            scorers = {
                name: Contender(name, EVENTS, self._scorer(stack, name, collector))
                for name in self.drained
            }
            for number in range(self._rounds):
                with ThreadPoolExecutor(2) as both:
                    order = list(scorers)[:: 1 if number % 2 else -1]
                    running = {
                        name: both.submit(
                            drain, stack.kafka, scorers[name], name, {1}, self._folder
                        )
                        for name in order
                    }
                    for name, done in running.items():
                        self.drained[name].append(done.result()[0].cpu_us)
                shown = ", ".join(f"{name} {self.drained[name][-1]:.2f} us" for name in scorers)
                self._say(f"round {number + 1}: {shown}")
        self.spans = len(collector.spans())
        self._say(f"{self.spans:,} spans arrived")
        os.sched_setaffinity(0, {0, 1})

    def _scorer(
        self, stack: Stack, name: str, collector: Collector
    ) -> Callable[[str, str, str], list[str]]:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint} if name == "traced" else {}
        return lambda source, output, group: [
            "env",
            *(f"{key}={value}" for key, value in env.items()),
            sys.executable,
            "-m",
            "riskstream.scorer",
            "--kafka",
            stack.kafka,
            "--redis",
            stack.redis,
            "--model",
            str(self._model),
            "--source",
            source,
            "--output",
            output,
            "--group",
            group,
            "--log-level",
            "warning",
        ]

    def _serve(self, collector: Collector) -> None:
        """Two chains side by side, each under half of the load at the same time; the callers of one
        sample, in turns.
        """
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        }
        with ExitStack() as stack:
            chains = {
                name: stack.enter_context(
                    Chain(self._folder / name, self._model, self._say, names=SERVICES, env=env)
                )
                for name in ("one", "other")
            }
            callers = {name: Callers(chain.gateway) for name, chain in chains.items()}
            for number in range(self._rounds + 1):  # the first warms up
                roles = dict(
                    zip(
                        chains,
                        ("plain", "traced") if number % 2 else ("traced", "plain"),
                        strict=True,
                    )
                )
                before = {name: _cpu_s(chain) for name, chain in chains.items()}
                with ThreadPoolExecutor(2) as both:
                    calls = {
                        name: both.submit(
                            each.run, BLOCK_S, RATE, EVERY if roles[name] == "traced" else 0
                        )
                        for name, each in callers.items()
                    }
                time.sleep(5.5)  # an exporter's delay: what was recorded is sent within the block
                for name, chain in chains.items():
                    spent = _cpu_s(chain)
                    for each in SERVICES if number else ():
                        used = (spent[each] - before[name][each]) / calls[name].result() * 1e6
                        self.served[each][roles[name]].append(used)
                for each in SERVICES if number else ():
                    plain, traced = (self.served[each][name][-1] for name in ("plain", "traced"))
                    self._say(
                        f"block {number}: {each:8} plain {plain:7,.0f} us, traced {traced:7,.0f} us"
                    )
            for caller in callers.values():
                if caller.failed:
                    raise RuntimeError(f"{caller.failed} calls failed: {caller.problem}")

    def rows(self) -> list[Row]:
        out = [
            Row.compared(
                "scorer draining a backlog, CPU an event, 1 % traced over none",
                self.drained["traced"],
                self.drained["plain"],
                "us",
                GOAL,
                higher=False,
            )
        ]
        totals = {
            name: [
                sum(each)
                for each in zip(*(self.served[service][name] for service in SERVICES), strict=True)
            ]
            for name in ("plain", "traced")
        }
        out.append(
            Row.compared(
                f"{', '.join(SERVICES)} together, CPU a decision, 1 % traced over none",
                totals["traced"],
                totals["plain"],
                "us",
                GOAL,
                higher=False,
            )
        )
        for name, found in self.served.items():
            out.append(Row.figure(f"{name}, CPU a decision", found["plain"], "us"))
        out.append(
            Row.figure(
                "a span recorded, encoded and left, alone", [_one_span() for _ in range(5)], "us"
            )
        )
        return out


def _cpu_s(chain: Chain) -> dict[str, float]:
    return {name: chain.services[name].cpu_s() for name in SERVICES}


def _send(kafka: str, topic: str, table: pa.Table, every: int) -> None:
    """All rows in order, keyed by customer; one of `every` carries a sampled context."""
    keys = [name.encode() for name in table["customer_id"].to_pylist()]
    client = producer(kafka, "bench", **{"linger.ms": 5, "queue.buffering.max.messages": 100_000})
    at = 0
    for start in range(0, len(keys), 20_000):
        for frame in ArrowEncoder("transaction.v1", 4096).encode(table.slice(start, 20_000)):
            extra: Any = {"headers": header_of(new_trace())} if every and at % every == 0 else {}
            while True:
                try:
                    client.produce(topic, frame, keys[at], **extra)
                    break
                except BufferError:
                    client.poll(0.05)
            at += 1
        client.poll(0)
    assert client.flush(60) == 0


def _one_span() -> float:
    """CPU us of one sampled record in a lane: its context read, two spans' share recorded,
    encoded.
    """
    tracer = Tracer(0.0, 1_000_000)
    spans = HopSpans(tracer, "transactions.v1", "scorer")
    headers = header_of(new_trace())
    began = time.process_time()
    count = 20_000
    for start in range(0, count, 20):
        contexts = [context for context in map(context_in, [headers] * 20) if context is not None]
        hops = spans.begin(contexts, [1] * 20, list(range(start, start + 20)))
        for hop in hops:
            header_of(hop.context)
        spans.end(hops, 2000, 0, 1)
    while found := tracer.take(512):
        encode({"service.name": "x"}, "0", found)
    return (time.process_time() - began) / count * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.telemetry.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    given = parser.parse_args()
    started = time.monotonic()
    folder = given.out / "telemetry-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench = Bench(
        folder,
        given.rounds,
        lambda text: print(f"[{time.monotonic() - started:6.0f} s] {text}", flush=True),
    )
    bench.run()
    shutil.rmtree(folder, ignore_errors=True)
    load = (
        f"two scorers on one core, a backlog of {EVENTS:,} transactions each, one of "
        f"{EVERY} sampled; two chains, {RATE:.0f} "
        f"decisions/s by HTTP each, one of {EVERY} sampled; {given.rounds} rounds of "
        f"{BLOCK_S:.0f} s; {bench.spans:,} spans of "
        "the scorer"
    )
    write_result(given.out / "telemetry.json", load, bench.rows(), [])
    return 0


if __name__ == "__main__":
    sys.exit(main())
