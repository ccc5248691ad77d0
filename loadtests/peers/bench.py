"""`make bench-scorer`: the shipped scorer and its peers on one real broker, in one session,
interleaved, pinned.

Writes build/bench/scorer.json and docs/benchmark-scorer.md with its chart. At least five rounds; at
most 35 minutes.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.model import small_model
from loadtests.peers.contender import (
    FAST,
    LOOP,
    ONE_BY_ONE,
    PARTITIONS,
    SLOW,
    Contender,
    drain,
    first_records,
    letters_of,
    make_topic,
)
from loadtests.peers.data import matrix, send, transactions
from loadtests.peers.kernels import bytes_a_key, cost_by_window
from loadtests.peers.latency import measure
from loadtests.peers.others import (
    AT_LEAST_ONCE,
    BYTEWAX,
    EXACTLY_ONCE,
    NOT_THERE,
    PATHWAY,
    ROUNDS,
    Task,
    installed,
)
from loadtests.peers.page import write_page
from loadtests.rows import Row, spread, write_result
from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, contract, topics
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.workbench.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "build/peers"
GOALS = {
    "quix": 40.0,
    "faust": 30.0,
    "fastavro loop": 14.0,
    AT_LEAST_ONCE: 3.0,
    EXACTLY_ONCE: 4.0,
    BYTEWAX: None,
    PATHWAY: None,
}
"""How many times our CPU an event a peer is to take; None where it is only shown."""
BESIDE = "lane of the other checkout"
COMPARED = 2000
"""Scores of each partition that are compared with the lane's."""


class Bench:
    """Everything that was measured, by contender, a list with one entry a round."""

    def __init__(
        self, folder: Path, rounds: int, say: Callable[[str], None], beside: Path | None = None
    ) -> None:
        self._folder, self._rounds, self._say, self._beside = folder, rounds, say, beside
        self._model = folder / "model" / "model.onnx"
        self.cpu: dict[str, list[float]] = {}
        self.rate: dict[str, list[float]] = {}
        self.latency: dict[str, list[list[float]]] = {}
        self.windows: tuple[list[float], list[float]] = ([], [])
        self.bytes: dict[str, tuple[float, float]] = {}
        self.skipped: list[dict[str, str]] = []
        self._payload = 0
        self._ours: dict[tuple[int, int], float] = {}
        self._compared: set[str] = set()
        self._unequal: set[str] = set()

    def run(self) -> None:
        os.sched_setaffinity(0, {0})  # the broker, Redis and this process; contenders get core 1
        table = transactions(FAST, seed=1, end_ms=int(time.time() * 1000) - 60_000)
        with Stack(self._folder / "stack", progress=self._say) as stack:
            kafka = stack.kafka
            TopicAdmin(kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
            for count in (FAST, LOOP, ONE_BY_ONE, SLOW):
                self._say(f"sending {count:,} transactions")
                send(kafka, make_topic(kafka, f"tx-{count}"), table.slice(0, count))
            self._make_model(matrix(table.slice(0, 200_000)))
            contenders = self._contenders(kafka, stack.redis)
            self._rounds_of_drains(kafka, contenders)
            self._whole_machine(kafka, contenders[0])
            os.sched_setaffinity(0, {0, 1})
            self._latencies(kafka, contenders, table.slice(0, 20_000))
        self._say("the kernel alone")
        os.sched_setaffinity(0, {1})
        # sixty days: the second thirty are measured, with full windows
        self.windows = cost_by_window(table)
        for features, mode in ((STANDARD, "exact"), (STANDARD_TILES, "tiles")):
            for events, rows in ((60, 300_000), (4, 20_480)):
                self.bytes[f"{mode}, {events} events a key"] = bytes_a_key(
                    table.slice(0, rows), features
                )

    def _make_model(self, rows: NDArray[np.float32]) -> None:
        """100 trees, trained on simulated history; thresholds that alert on 1 % and block 0.2 % of
        this load, as usual.
        """
        shutil.copytree(small_model(ROOT / "build/loadtests/model"), self._model.parent)
        scores = OnnxModel(self._model.parent, STANDARD).predict(rows)
        card = self._model.with_name("model.json")
        review, block = np.quantile(scores, [0.99, 0.998]).tolist()
        card.write_text(
            json.dumps(
                {**json.loads(card.read_text()), "thresholds": {"review": review, "block": block}}
            )
        )
        self._card = OnnxModel(self._model.parent, STANDARD).card

    def _contenders(self, kafka: str, redis: str) -> list[Contender]:
        def shipped(
            *more: str, python: Path | str = sys.executable
        ) -> Callable[[str, str, str], list[str]]:
            return lambda source, output, group: [
                str(python),
                "-m",
                "riskstream.scorer",
                "--kafka",
                kafka,
                "--redis",
                redis,
                "--model",
                str(self._model.parent),
                "--source",
                source,
                "--output",
                output,
                "--group",
                group,
                "--dead-letters",
                letters_of(output),
                "--log-level",
                "warning",
                *more,
            ]

        task = Task(
            kafka=kafka,
            model=str(self._model),
            score_schema_id=contract("score.v1").id,
            review_from=self._card.review_from,
            block_from=self._card.block_from,
        )

        def script(*what: str) -> Callable[[str, str, str], list[str]]:
            return task.command([sys.executable, "-m", *what])

        def raw(payload: Callable[[], int]) -> Callable[[str, str, str], list[str]]:
            make = script("loadtests.peers.raw_forward")
            return lambda source, output, group: [
                *make(source, output, group),
                "--payload",
                str(payload()),
            ]

        variant = "loadtests.peers.lane_variants"
        out = [
            Contender("lane", FAST, shipped()),
            Contender("lane off", FAST, script(variant, "off", redis)),
            Contender("lane null", FAST, script(variant, "null", redis), is_scored=False),
            Contender("lane, Python client", FAST, shipped("--client", "python"), is_scored=False),
            Contender("raw forward", FAST, raw(lambda: 0), is_scored=False),
            Contender(
                "raw forward, the null lane's payload",
                FAST,
                raw(lambda: self._payload),
                is_scored=False,
            ),
            Contender("fastavro loop", LOOP, script("loadtests.peers.fastavro_loop")),
            Contender("faust", SLOW, shipped("--runtime", "faust"), is_peer=True),
        ]
        if self._beside:
            out.insert(1, Contender(BESIDE, FAST, shipped(python=self._beside)))
        found, missing = installed(task, PEERS, self._folder / "state")
        self.skipped += [{"name": name, "why": NOT_THERE} for name in missing]
        return out + found

    def _rounds_of_drains(self, kafka: str, contenders: list[Contender]) -> None:
        for number in range(self._rounds):
            for contender in contenders:
                if contender.name in self._unequal or number >= (contender.rounds or number + 1):
                    continue
                try:
                    result, output = drain(
                        kafka, contender, f"tx-{contender.events}", {1}, self._folder
                    )
                except Exception as error:
                    self._skip(contender, f"round {number + 1}", error)
                    continue
                if contender.name == "lane null" and not self._payload:
                    records = first_records(kafka, output, COMPARED)
                    self._payload = round(
                        sum(len(record.value or b"") for record in records) / len(records)
                    )
                    self._say(f"the null lane writes {self._payload} bytes a record")
                if contender.is_scored and not self._is_equal(contender.name, kafka, output):
                    continue
                self.cpu.setdefault(contender.name, []).append(result.cpu_us)
                self.rate.setdefault(contender.name, []).append(result.rate)
                self._say(
                    f"round {number + 1}: {contender.name:38} {result.cpu_us:8.2f} us  "
                    f"{result.rate:10,.0f}/s"
                )

    def _skip(self, contender: Contender, when: str, error: Exception) -> None:
        """A peer that fails is named; ours ends the bench."""
        if not contender.is_peer:
            raise error
        self._say(f"{when}: {contender.name} is skipped: {error}")
        self.skipped.append({"name": f"{contender.name}, {when}", "why": str(error)[:300]})

    def _scores(self, kafka: str, output: str) -> dict[tuple[int, int], float]:
        decode = codec("score.v1").decode
        found = {}
        for record in first_records(kafka, output, COMPARED):
            score = decode(record.value)
            found[record.partition, score["src"]] = score["score"]
        return found

    def _is_equal(self, name: str, kafka: str, output: str) -> bool:
        """A contender whose scores differ by more than 1e-5 from the lane's does not count. They
        are compared once, in its first round.
        """
        if name in self._compared:
            return True
        self._compared.add(name)
        theirs = self._scores(kafka, output)
        ours = self._ours = self._ours or theirs
        both = ours.keys() & theirs.keys()
        worst = max((abs(ours[key] - theirs[key]) for key in both), default=float("inf"))
        self._say(f"scores of {name}: {len(both):,} compared, largest difference {worst:.1e}")
        if worst <= 1e-5 and len(both) >= COMPARED:
            return True
        why = f"its scores differ by {worst:.1e} in {len(both):,}: the run does not count"
        self.skipped.append({"name": name, "why": why})
        self._unequal.add(name)
        return False

    def _whole_machine(self, kafka: str, lane: Contender) -> None:
        """One scorer process, then two, on all cores, the broker beside them."""
        os.sched_setaffinity(0, {0, 1})
        for number in range(self._rounds):
            for processes in (1, 2):
                result, _ = drain(kafka, lane, f"tx-{FAST}", {0, 1}, self._folder, processes)
                self.rate.setdefault(f"{processes} unpinned", []).append(result.rate)
                self._say(
                    f"round {number + 1}: {processes} unpinned process(es) {result.rate:10,.0f}/s"
                )

    def _latencies(self, kafka: str, contenders: list[Contender], table: Any) -> None:
        keys = [name.encode() for name in table["customer_id"].to_pylist()]
        frames = list(zip(keys, ArrowEncoder("transaction.v1", 4096).encode(table), strict=True))
        names = ("raw forward", "lane", "lane off", EXACTLY_ONCE)
        chosen = [each for each in contenders if each.name in names]
        for number in range(self._rounds):
            for contender in chosen:
                if contender.name in self._unequal or number >= (contender.rounds or number + 1):
                    continue
                try:
                    found = measure(
                        kafka, contender, frames, self._folder, f"{contender.slug}-{number}"
                    )
                except Exception as error:
                    self._skip(contender, f"pair {number + 1}", error)
                    continue
                self.latency.setdefault(contender.name, []).append(found)
                p50, p99 = np.quantile(found, [0.5, 0.99])
                self._say(
                    f"pair {number + 1}: {contender.name:12} p50 {p50:.2f} ms, p99 {p99:.2f} ms"
                )

    def rows(self) -> list[Row]:
        """The goals of the issue, each with its figure."""
        cpu = self.cpu
        lane = cpu["lane"]
        out = []
        for peer, goal in GOALS.items():
            if cpu.get(peer):
                out.append(
                    Row.compared(
                        f"CPU a scored event, {peer} over lane",
                        lane,
                        cpu[peer],
                        "us",
                        goal,
                        higher=True,
                    )
                )
        if cpu.get(BESIDE):
            out.append(
                Row.compared(
                    f"CPU a scored event, lane over {BESIDE}",
                    lane,
                    cpu[BESIDE],
                    "us",
                    1.02,
                    higher=False,
                )
            )
        out += [
            Row.most("CPU a scored event, lane", lane, "us", 3.5),
            Row.compared(
                "CPU a scored event, lane over raw forward",
                lane,
                cpu["raw forward"],
                "us",
                1.8,
                higher=False,
            ),
            Row.compared(
                "CPU, null lane over raw forward with its payload",
                cpu["lane null"],
                cpu["raw forward, the null lane's payload"],
                "us",
                1.3,
                higher=False,
            ),
            Row.least(
                "wall throughput, one process, 4 partitions",
                self.rate["1 unpinned"],
                "events/s",
                250_000,
            ),
            Row.figure(
                "wall throughput, two processes on two cores with the broker",
                self.rate[("2 unpinned")],
                "events/s",
            ),
            Row.compared(
                "throughput, exact by position over switched off",
                self.rate["lane"],
                self.rate[("lane off")],
                "events/s",
                0.95,
                higher=False,
                at_least=True,
            ),
        ]
        quantiles = {
            name: [np.quantile(run, [0.5, 0.99]).tolist() for run in runs]
            for name, runs in self.latency.items()
        }
        for at, label, than, goal in (
            (0, "p50", "raw forward", 0.4),
            (1, "p99", "raw forward", 2.0),
            (1, "p99", "lane off", 1.0),
        ):
            pairs = list(zip(quantiles["lane"], quantiles[than], strict=True))
            more = [ours[at] - theirs[at] for ours, theirs in pairs]
            out.append(
                Row(
                    name=f"{label} at 500 events/s over {than}, difference",
                    ours=median(ours[at] for ours, _ in pairs),
                    theirs=median(theirs[at] for _, theirs in pairs),
                    unit="ms",
                    ratio=round(median(more), 3),
                    goal=goal,
                    ok=median(more) <= goal,
                    spread=spread(more),
                )
            )
        if theirs := quantiles.get(EXACTLY_ONCE):
            out.append(
                Row.compared(
                    f"p99 at 500 events/s, {EXACTLY_ONCE} over lane",
                    [each[1] for each in quantiles["lane"]],
                    [each[1] for each in theirs],
                    "ms",
                    5.0,
                    higher=True,
                )
            )
        long, short = self.windows
        out.append(
            Row.compared("kernel, window of 30 d over 1 h", long, short, "us", 1.2, higher=False)
        )
        for name, (hot, row) in self.bytes.items():
            title = f"hot state a key, {name}"
            is_tiled = name.startswith("tiles")
            out.append(
                Row.most(title, [hot], "bytes", 512)
                if is_tiled
                else Row.figure(title, [hot], "bytes")
            )
            out.append(Row.figure(f"its row in Redis, {name}", [row], "bytes"))
        return out


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.peers.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--page", type=Path, default=None, help="write the page of the docs there")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="PYTHON",
        help="measure the lane of another checkout beside ours: the Python of its environment",
    )
    given = parser.parse_args()
    started = time.monotonic()
    folder = given.out / "scorer-run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench = Bench(
        folder,
        given.rounds,
        lambda text: print(f"[{time.monotonic() - started:6.0f} s] {text}", flush=True),
        given.beside,
    )
    bench.run()
    shutil.rmtree(folder / "stack", ignore_errors=True)
    load = (
        f"5,000 customers, uniform; backlogs of {FAST:,} (lane, raw, Kafka Streams), "
        f"{LOOP:,} (fastavro loop, Bytewax, Pathway), {ONE_BY_ONE:,} (Quix), "
        f"{SLOW:,} (Faust); {given.rounds} rounds, interleaved "
        f"({ROUNDS} of Kafka Streams, Bytewax and Pathway); {PARTITIONS} partitions; "
        "write-behind on"
    )
    result = write_result(given.out / "scorer.json", load, bench.rows(), bench.skipped)
    if given.page:  # it is of peers: what a change costs is in the JSON
        result["rows"] = [row for row in result["rows"] if BESIDE not in row["name"]]
        cpu = {name: median(each) for name, each in bench.cpu.items() if each and name != BESIDE}
        write_page(given.page, result, cpu)
    return 0


if __name__ == "__main__":
    sys.exit(main())
