"""`make bench-scorer`: the shipped scorer and its peers on one real broker, in one session,
interleaved, pinned.

Writes build/bench/scorer.json and docs/benchmark-scorer.md with its chart. At least five rounds; at
most 35 minutes.
"""

import argparse
import json
import os
import shutil
import subprocess
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
    PARTITIONS,
    Contender,
    drain,
    first_records,
    letters_of,
    make_topic,
)
from loadtests.peers.data import matrix, send, transactions
from loadtests.peers.kernels import bytes_a_key, cost_by_window
from loadtests.peers.latency import measure
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
QUIX = ROOT / "build/peers/quix/bin/python"
FAST, LOOP, ONE_BY_ONE, SLOW = 600_000, 120_000, 40_000, 15_000
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
        self.ort: list[float] = []
        self.windows: tuple[list[float], list[float]] = ([], [])
        self.bytes: dict[str, tuple[float, float]] = {}
        self.skipped: list[dict[str, str]] = []
        self._payload = 0

    def run(self) -> None:
        os.sched_setaffinity(0, {0})  # the broker, Redis and this process; contenders get core 1
        table = transactions(FAST, seed=1, end_ms=int(time.time() * 1000) - 60_000)
        with Stack(self._folder / "stack", progress=self._say) as stack:
            kafka = stack.kafka
            TopicAdmin(kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
            for count in (FAST, LOOP, ONE_BY_ONE, SLOW):
                self._say(f"sending {count:,} transactions")
                send(kafka, make_topic(kafka, f"tx-{count}"), table.slice(0, count))
            vectors = self._folder / "matrix.npy"
            np.save(vectors, matrix(table.slice(0, 200_000)))
            self._make_model(np.load(vectors))
            contenders = self._contenders(kafka, stack.redis)
            self._rounds_of_drains(kafka, contenders, vectors)
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
        model = str(self._model)

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

        def script(python: str, *what: str) -> Callable[[str, str, str], list[str]]:
            return lambda source, output, group: [
                python,
                "-m",
                *what,
                "--kafka",
                kafka,
                "--source",
                source,
                "--output",
                output,
                "--group",
                group,
                "--model",
                model,
                "--score-schema-id",
                str(contract("score.v1").id),
                "--review-from",
                str(self._card.review_from),
                "--block-from",
                str(self._card.block_from),
            ]

        def raw(payload: Callable[[], int]) -> Callable[[str, str, str], list[str]]:
            make = script(sys.executable, "loadtests.peers.raw_forward")
            return lambda source, output, group: [
                *make(source, output, group),
                "--payload",
                str(payload()),
            ]

        variant = "loadtests.peers.lane_variants"
        out = [
            Contender("lane", FAST, shipped()),
            Contender("lane off", FAST, script(sys.executable, variant, "off", redis)),
            Contender("lane null", FAST, script(sys.executable, variant, "null", redis)),
            Contender("lane, Python client", FAST, shipped("--client", "python")),
            Contender("raw forward", FAST, raw(lambda: 0)),
            Contender("raw forward, the null lane's payload", FAST, raw(lambda: self._payload)),
            Contender(
                "fastavro loop", LOOP, script(sys.executable, "loadtests.peers.fastavro_loop")
            ),
            Contender("faust", SLOW, shipped("--runtime", "faust")),
        ]
        if self._beside:
            out.insert(1, Contender(BESIDE, FAST, shipped(python=self._beside)))
        if QUIX.exists():
            out.append(Contender("quix", ONE_BY_ONE, script(str(QUIX), "loadtests.peers.quix_app")))
        else:
            self.skipped.append({"name": "quix", "why": "its environment is not there: make peers"})
        return out

    def _rounds_of_drains(self, kafka: str, contenders: list[Contender], vectors: Path) -> None:
        for number in range(self._rounds):
            self._alone(vectors)
            scores: dict[str, dict[tuple[int, int], float]] = {}
            for contender in contenders:
                try:
                    result, output = drain(
                        kafka, contender, f"tx-{contender.events}", {1}, self._folder
                    )
                except Exception as error:
                    if contender.name not in ("quix", "faust"):
                        raise
                    self.skipped.append(
                        {"name": f"{contender.name}, round {number + 1}", "why": str(error)[:300]}
                    )
                    continue
                if contender.name == "lane null" and not self._payload:
                    records = first_records(kafka, output, COMPARED)
                    self._payload = round(
                        sum(len(record.value or b"") for record in records) / len(records)
                    )
                    self._say(f"the null lane writes {self._payload} bytes a record")
                if number == 0 and contender.name in (
                    "lane",
                    BESIDE,
                    "lane off",
                    "fastavro loop",
                    "faust",
                    "quix",
                ):
                    scores[contender.name] = self._scores(kafka, output)
                self.cpu.setdefault(contender.name, []).append(result.cpu_us)
                self.rate.setdefault(contender.name, []).append(result.rate)
                self._say(
                    f"round {number + 1}: {contender.name:38} {result.cpu_us:8.2f} us  "
                    f"{result.rate:10,.0f}/s"
                )
            if number == 0:
                self._compare(scores)

    def _alone(self, vectors: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "loadtests.peers.ort_alone",
            str(self._model),
            str(vectors),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {1}),
        )
        self.ort.append(float(done.stdout))

    def _scores(self, kafka: str, output: str) -> dict[tuple[int, int], float]:
        decode = codec("score.v1").decode
        found = {}
        for record in first_records(kafka, output, COMPARED):
            score = decode(record.value)
            found[record.partition, score["src"]] = score["score"]
        return found

    def _compare(self, scores: dict[str, dict[tuple[int, int], float]]) -> None:
        """A contender whose scores differ by more than 1e-5 does not count."""
        ours = scores["lane"]
        for name, theirs in scores.items():
            both = ours.keys() & theirs.keys()
            worst = max((abs(ours[key] - theirs[key]) for key in both), default=float("inf"))
            self._say(f"scores of {name}: {len(both):,} compared, largest difference {worst:.1e}")
            if worst > 1e-5 or len(both) < COMPARED:
                self.skipped.append(
                    {
                        "name": name,
                        "why": (f"its scores differ by {worst:.1e}: the run does not count"),
                    }
                )
                self.cpu[name], self.rate[name] = [], []

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
        chosen = [each for each in contenders if each.name in ("raw forward", "lane", "lane off")]
        for number in range(self._rounds):
            for contender in chosen:
                found = measure(
                    kafka, contender, frames, self._folder, f"{contender.slug}-{number}"
                )
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
        for peer, goal in (("quix", 9.0), ("faust", 22.0), ("fastavro loop", 4.0)):
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
        over = [ours - ort for ours, ort in zip(lane, self.ort, strict=True)]
        out += [
            Row(
                name="CPU a scored event over ONNX Runtime alone, difference",
                ours=median(over),
                theirs=None,
                unit="us",
                ratio=None,
                goal=4.5,
                ok=median(over) <= 4.5,
                spread=spread(over),
            ),
            Row.compared(
                "CPU a scored event, lane over ONNX Runtime alone",
                lane,
                self.ort,
                "us",
                2.3,
                higher=False,
            ),
            Row.compared(
                "CPU, null lane over raw forward with its payload",
                cpu["lane null"],
                cpu["raw forward, the null lane's payload"],
                "us",
                1.4,
                higher=False,
            ),
            Row.least(
                "wall throughput, one process, 4 partitions",
                self.rate["1 unpinned"],
                "events/s",
                130_000,
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
            (0, "p50", "raw forward", 0.5),
            (1, "p99", "raw forward", 3.0),
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
        f"5,000 customers, uniform; backlogs of {FAST:,} (lane, raw), {LOOP:,} (fastavro "
        f"loop), {ONE_BY_ONE:,} (Quix), "
        f"{SLOW:,} (Faust); {given.rounds} rounds, interleaved; {PARTITIONS} partitions; "
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
