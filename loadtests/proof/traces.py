"""Traces across rebalances: 1,000 sampled callers while scorers and trackers join and leave; then a
report.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from loadtests.collector import Collector, Seen
from loadtests.telemetry.callers import Callers
from loadtests.traces import breaks, orphans
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready

SAMPLED, EVERY, RATE = 1000, 10, 120.0
DEADLINE_S = 60.0
NAMES = ("scorer-1", "tracker-1", "gateway")


def traces(folder: Path, model: Path, _seed: int) -> tuple[Counter[str], list[str]]:
    """Every sampled trace must lead from its report to its caller, with no span that hangs on
    nothing.
    """
    with Collector() as collector:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        }
        with Chain(
            folder / "chain", _alerting(model, folder / "model"), names=NAMES, env=env
        ) as chain:
            callers = Callers(chain.gateway)
            load = threading.Thread(target=callers.count, args=(SAMPLED * EVERY, RATE, EVERY))
            load.start()
            moves = _rebalance(chain, load)
            load.join()
            _wait_for_tracker(chain)
            _report(chain, folder / "reports", collector.endpoint)
            for service in chain.services.values():
                service.server.stop()  # each sends the rest as it ends
        spans = collector.spans()
    problems = [f"{callers.failed} calls failed: {callers.problem}"] if callers.failed else []
    by_trace: dict[str, list[Seen]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    batches = {
        (span.trace_id, span.span_id): span for span in spans if span.name.endswith(" batch")
    }
    whole = 0
    for caller in callers.sampled:
        mine = by_trace.get(caller.trace_id, [])
        linked = [batches[link] for span in mine for link in span.links if link in batches]
        found = breaks([*mine, *linked], caller)
        whole += not found
        problems += [f"{caller.trace_id}: {found[0]}"] if found else []
    lost = orphans(spans, callers.sampled)
    problems += [f"{span.name} of {span.service} hangs on nothing" for span in lost]
    if moves < 4:
        problems.append(f"{moves} rebalances under load: the schedule did not hurt")
    counts = Counter(
        sampled=len(callers.sampled),
        whole=whole,
        orphans=len(lost),
        rebalances=moves,
        spans=len(spans),
    )
    return counts, problems


def _alerting(model: Path, folder: Path) -> Path:
    """The model with thresholds that review every transaction, so that every trace has an alert and
    a report.
    """
    shutil.copytree(model, folder)
    card = folder / "model.json"
    found = json.loads(card.read_text())
    card.write_text(json.dumps({**found, "thresholds": {"review": 0.0, "block": 1.0}}))
    return folder


def _rebalance(chain: Chain, load: threading.Thread) -> int:
    """A scorer and a tracker join, those that were first leave, the first come back; how many
    changes fell under load.
    """
    moves = 0
    time.sleep(8)
    for joins, leaves in (
        (("scorer-2", "tracker-2"), ()),
        ((), ("scorer-1", "tracker-1")),
        (("scorer-3", "tracker-3"), ()),
    ):
        for name in joins:
            wait_ready([chain.start(name)])
            moves += load.is_alive()
        for name in leaves:
            chain.services.pop(name).server.stop()
            moves += load.is_alive()
        time.sleep(8)
    return moves


def _wait_for_tracker(chain: Chain) -> None:
    admin, end = TopicAdmin(chain.stack.kafka), time.monotonic() + DEADLINE_S
    while True:
        count = admin.partitions()["scores.v1"]
        done = admin.group_offsets("tracker")
        if all(
            done.get(("scores.v1", n), 0) >= at
            for n, at in enumerate(admin.end_offsets("scores.v1", count))
        ):
            time.sleep(3)  # a flush: the states are written by then
            return
        if time.monotonic() > end:
            raise RuntimeError(f"the trackers are at {done}")
        time.sleep(0.2)


def _report(chain: Chain, out: Path, endpoint: str) -> None:
    command = [
        sys.executable,
        "-c",
        "from riskstream.cli.main import main; main()",
        "report",
        "run",
    ]
    subprocess.run(
        [*command, "--kafka", chain.stack.kafka, "--out", str(out), "--so-far", "--grain", "daily"],
        check=True,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        capture_output=True,
        timeout=120,
    )
