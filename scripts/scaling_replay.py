"""A day through the chart's scaling query, in a real Prometheus: how often the number of replicas
changes.

The day: transactions of the simulator by 15 s, so many that its peak needs seven cores at 60 %, and
at 15:00 five minutes away. What scorers would have measured of it (busy seconds, ages of events)
becomes blocks (`promtool tsdb create-blocks-from openmetrics`); the query is read from the rendered
chart and evaluated over the day; then what Kubernetes' HPA does with it.
"""

import json
import math
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from riskstream.workbench.local.server import Server, free_port
from riskstream.workbench.simulator.simulate import Simulation, simulate

STEP_S = 15
DAY_S = 86_400
PEAK_BUSY = 4.2
OUTAGE = (15 * 3600, 15 * 3600 + 300)
WINDOW_S = 600
_WORK, _AGES = "riskstream_scorer_batch_seconds_sum", "riskstream_scorer_event_age_seconds_bucket"
_MINE, _OTHERS = 'namespace="risk",installation="risk"', 'namespace="other",installation="risk"'
"""The release that the chart is rendered for, and one beside it that is far too busy: it must not
be asked.
"""
_BUCKETS = (0.05, 0.5, 5.0)


def busy_by_step() -> NDArray[np.float64]:
    """Seconds of work that arrive each second, by STEP_S of a simulated day."""
    table = simulate(Simulation(seed=11, customers=60_000, days=4))
    at = np.asarray(table["occurred_at"].cast("int64").to_numpy()) // 1000
    first = (at[0] // DAY_S + 2) * DAY_S
    counts = np.bincount(
        (at[(at >= first) & (at < first + DAY_S)] - first) // STEP_S, minlength=DAY_S // STEP_S
    ).astype(float)
    hourly = np.convolve(counts, np.ones(240) / 240, "same")
    return np.asarray(counts / hourly.max() * PEAK_BUSY)


def openmetrics(busy: NDArray[np.float64], start_s: int) -> str:
    """What scorers, six of them at work, would have shown: work done, and events by age."""
    done = backlog = 0.0
    seen = dict.fromkeys([*_BUCKETS, math.inf], 0.0)
    sums, others, buckets = [], [], []
    for number, arriving in enumerate(busy.tolist()):
        second = number * STEP_S
        capacity = 0.0 if OUTAGE[0] <= second < OUTAGE[1] else 6.0 * STEP_S
        backlog += arriving * STEP_S
        used = min(backlog, capacity)
        backlog -= used
        done += used
        age = 0.02 if backlog < 1e-9 else 0.02 + backlog / 6.0
        sums.append(f"{_WORK}{{{_MINE}}} {done:.6f} {start_s + second}")
        others.append(f"{_WORK}{{{_OTHERS}}} {40.0 * second:.6f} {start_s + second}")
        for bound in seen:
            seen[bound] += 1000 * used * (age <= bound)
            word = "+Inf" if bound == math.inf else f"{bound}"
            buckets.append(
                (bound, (f'{_AGES}{{{_MINE},le="{word}"}} {seen[bound]:.1f} {start_s + second}'))
            )
    buckets.sort(key=lambda each: each[0])  # a series after the other, each by time
    lines = [
        f"# TYPE {_WORK} unknown",
        *sums,
        *others,
        f"# TYPE {_AGES} unknown",
        *(line for _, line in buckets),
        "# EOF",
        "",
    ]
    return "\n".join(lines)


def query_of(rendered: str) -> tuple[str, int, int]:
    """(the scorer's query, least and most replicas) of a rendered chart."""
    for each in yaml.safe_load_all(rendered):
        if each and each["kind"] == "ScaledObject" and each["metadata"]["name"].endswith("-scorer"):
            spec = each["spec"]
            query = next(
                t["metadata"]["query"] for t in spec["triggers"] if t["type"] == "prometheus"
            )
            return query, spec["minReplicaCount"], spec["maxReplicaCount"]
    raise ValueError("the chart has no ScaledObject of the scorer")


def replay(rendered: str, folder: Path) -> dict[str, Any]:
    """`changes` of the day, the `most_in_10_minutes`, `least` and `most` replicas."""
    query, least, most = query_of(rendered)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start_s = 1_750_032_000
    (folder / "day.om").write_text(openmetrics(busy_by_step(), start_s))
    made = subprocess.run(
        [
            "promtool",
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(folder / "day.om"),
            str(folder / "data"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ValueError(f"promtool: {made.stderr[-300:]}")
    (folder / "prometheus.yaml").write_text("scrape_configs: []\n")
    port = free_port()
    server = Server(
        "prometheus",
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--storage.tsdb.retention.time=100y",
        ],
        folder / "prometheus.log",
    )
    try:
        values = _range(port, query, start_s + 1800, start_s + DAY_S - STEP_S)
    finally:
        server.stop()
    replicas = hpa(values, least, most)
    at = [
        number * STEP_S
        for number in range(1, len(replicas))
        if replicas[number] != replicas[number - 1]
    ]
    together = max(
        (sum(first <= each < first + WINDOW_S for each in at) for first in at), default=0
    )
    return {
        "changes": len(at),
        "most_in_10_minutes": together,
        "least": min(replicas),
        "most": max(replicas),
        "points": len(replicas),
    }


def hpa(values: list[float], least: int, most: int) -> list[int]:
    """Replicas by time: up at once, down to the most that was wanted in WINDOW_S, by at most half
    in WINDOW_S.
    """
    steps = WINDOW_S // STEP_S
    now = least
    out: list[int] = []
    wanted: list[int] = []
    for value in values:
        wanted.append(min(max(math.ceil(value - 1e-9), least), most))
        stable = max(wanted[-steps:])
        if wanted[-1] > now:
            now = wanted[-1]
        elif stable < now:
            now = max(stable, math.ceil(max(out[-steps:]) / 2))
        out.append(now)
    return out


def _range(port: int, query: str, start_s: int, end_s: int) -> list[float]:
    end = time.monotonic() + 60
    out: list[float] = []
    while start_s < end_s:  # Prometheus gives 11,000 points at most
        stop_s = min(start_s + 6 * 3600, end_s)
        given = urllib.parse.urlencode(
            {"query": query, "start": start_s, "end": stop_s - 1, "step": STEP_S}
        )
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/v1/query_range?{given}", timeout=60
            ) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
            continue
        out += [float(value) for _, value in found[0]["values"]]
        start_s = stop_s
    return out
