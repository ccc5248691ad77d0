"""The demo, step by step; its summary is build/demo/summary.json."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.risk.evaluation import at_budget, average_precision
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.runtime.errors import Fatal
from riskstream.runtime.files import check_folder, whole
from riskstream.workbench.demo.data import TRANSACTIONS, is_demo_folder, prepare
from riskstream.workbench.demo.observe import Observer, quantile
from riskstream.workbench.demo.view import View
from riskstream.workbench.local.chain import Chain

HTTP_RATE = 500.0
ALERT_BUDGET = 0.01
SETTLE_DEADLINE_S = 60.0


def run_demo(folder: Path, *, serve: bool, each: int = TRANSACTIONS // 2) -> dict[str, Any]:
    """1 data and model, 2 stack and services, 3 HTTP load, 4 Kafka load, 5 report, 6 summary, 7
    everything down.
    """
    check_folder(folder, is_own=is_demo_folder, is_replaced=False)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with View() as view:
        model, month = prepare(folder, view.say, view.step)
        live = folder / "live"
        shutil.rmtree(live, ignore_errors=True)
        env = {
            "RISKSTREAM_GATEWAY_DRAIN_S": "0",  # nobody calls when the demo ends it
            "RISKSTREAM_REPORTER_OUT": str(folder / "reports"),
            "RISKSTREAM_REPORTER_EVERY_S": "20",
        }
        with Chain(live, model, view.say, env=env) as chain:
            demo = _Demo(chain, view, month, each)
            demo.by_http()
            demo.by_kafka()
            reports, coverage = ReportFolder(folder / "reports"), Coverage(grace_s=0, so_far=True)
            reporter = Reporter(chain.stack.kafka, reports, coverage, ReporterMetrics())
            summary = demo.summary(folder, reporter)
            if serve:
                _serve(chain, view)
    summary["seconds"] = round(time.monotonic() - started, 1)
    with whole(folder / "summary.json") as partial:
        partial.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


class _Demo:
    """The loads and what was measured of them."""

    def __init__(self, chain: Chain, view: View, month: Path, each: int) -> None:
        self._chain, self._view, self._month, self._each = chain, view, month, each
        self._observer = Observer(chain.stack.kafka)
        self._http: dict[str, float] = {}
        self._kafka: dict[str, float] = {}
        self._http_latencies: list[float] = []
        self._peak_mib = 0.0
        self._looked = 0.0
        self._admin = TopicAdmin(chain.stack.kafka)
        self._recent: list[tuple[float, int]] = []

    def by_http(self) -> None:
        """`each` transactions by POST /v1/transactions at 500/s, from a process of its own."""
        url = f"{self._chain.gateway}/v1/transactions"
        self._view.say(f"{self._each:,} transactions by POST {url} at {HTTP_RATE:.0f}/s")
        driver = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "riskstream.workbench.demo.load",
                url,
                str(self._month),
                "0",
                str(self._each),
                str(HTTP_RATE),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            while driver.poll() is None:
                self._observer.poll(0.1)
                self._show("HTTP", self._each)
            assert driver.stdout is not None
            self._http = json.loads(driver.stdout.read())
        finally:
            driver.kill()
            driver.wait()
        self._settle("HTTP", int(self._http["accepted"]))
        self._http_latencies = list(self._observer.seen.latencies_ms)

    def by_kafka(self) -> None:
        """`each` more straight to Kafka, as fast as it goes."""
        self._view.say(f"{self._each:,} transactions straight to Kafka")
        table = pq.read_table(self._month).slice(self._each, self._each)
        keys = [key.encode() for key in table["customer_id"].to_pylist()]
        frames = ArrowEncoder("transaction.v1", 4096).encode(table)
        producer = BulkProducer(self._chain.stack.kafka, "demo")
        started = time.monotonic()
        for start in range(0, len(frames), 2000):
            producer.send(
                "transactions.v1", keys[start : start + 2000], frames[start : start + 2000]
            )
            self._observer.poll(0)
        producer.flush()
        self._settle("Kafka", int(self._http["accepted"]) + len(frames))
        seconds = self._observer.seen.last_at - started
        self._kafka = {"sent": len(frames), "seconds": seconds, "rate": len(frames) / seconds}

    def summary(self, folder: Path, reporter: Reporter) -> dict[str, Any]:
        """Wait for the tracker, write the reports, count and compare with the truth."""
        self._view.say("waiting for the tracker, then writing the reports")
        self._wait_for_tracker()
        reports = {record["grain"]: record for record in reporter.run_once()}
        kafka = self._chain.stack.kafka
        seen = self._observer.seen
        sent = int(self._http["accepted"] + self._kafka["sent"])
        table = pq.read_table(
            self._month, columns=["transaction_id", "is_fraud", "attack", "base_amount_minor"]
        )
        ids = table["transaction_id"].to_pylist()
        rows = np.array(
            [index for index, name in enumerate(ids[: 2 * self._each]) if name in seen.scores]
        )
        labels = table["is_fraud"].to_numpy()[rows]
        scores = np.array([seen.scores[ids[index]] for index in rows])
        attack = np.array(table["attack"].to_pylist())[rows]
        precision, recall, alerted = at_budget(labels, scores, ALERT_BUDGET)
        self._observer.close()
        return {
            "sent": sent,
            "scored": seen.accepted,
            "lost": sent - len(seen.scores),
            "duplicates": seen.again,
            "duplicates_raw": self._observer.dropped,
            "alerts": _count(kafka, "alerts.v1"),
            "not_approved": seen.not_approved,
            "dlq": sum(self._admin.end_offsets("transactions.v1.dlq", DEFAULT_PARTITIONS)),
            "p50_ms": round(quantile(self._http_latencies, 0.5), 2),
            "p99_ms": round(quantile(self._http_latencies, 0.99), 2),
            "answer_p50_ms": round(self._http["answer_p50_ms"], 2),
            "answer_p99_ms": round(self._http["answer_p99_ms"], 2),
            "http_refused": int(self._http["refused"]),
            "rate": round(self._kafka["rate"], 1),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "recall_by_attack": {
                name: round(float(alerted[attack == name].mean()), 4)
                for name in sorted(set(attack.tolist()) - {""})
            },
            "average_precision": round(average_precision(labels, scores), 4),
            "average_precision_amount": round(
                average_precision(
                    labels, table["base_amount_minor"].to_numpy()[rows].astype(np.float64)
                ),
                4,
            ),
            "report_html": str(folder / "reports" / reports["DAILY"]["html_path"]),
            "report_reconciled": all(record["is_reconciled"] for record in reports.values()),
            "rss_mib_peak": round(self._peak_mib),
        }

    def _settle(self, phase: str, expected: int) -> None:
        end = time.monotonic() + SETTLE_DEADLINE_S
        while self._observer.seen.accepted < expected:
            if self._observer.poll(0.1):
                end = time.monotonic() + SETTLE_DEADLINE_S
            elif time.monotonic() > end:
                return  # the summary says how many are lost
            self._show(phase, expected)

    def _wait_for_tracker(self) -> None:
        end = time.monotonic() + SETTLE_DEADLINE_S
        while time.monotonic() < end:
            ends = self._admin.end_offsets("scores.v1", DEFAULT_PARTITIONS)
            done = self._admin.group_offsets("tracker")
            if all(done.get(("scores.v1", number), 0) >= at for number, at in enumerate(ends)):
                time.sleep(1.5)  # its next flush
                return
            time.sleep(0.2)
        raise Fatal(
            what="the tracker does not catch up",
            where=str(self._chain.services["tracker"].server.log),
            do="read that log",
        )

    def _show(self, phase: str, total: int) -> None:
        now = time.monotonic()
        if now - self._looked < 0.25:
            return
        for service in self._chain.services.values():
            if not service.server.is_running:
                raise service.server.failure()
        self._looked = now
        seen = self._observer.seen
        self._peak_mib = max(self._peak_mib, self._chain.rss_mib())
        self._recent.append((now, seen.accepted))
        self._recent = [each for each in self._recent if now - each[0] <= 5]
        (then, before), recent = self._recent[0], seen.latencies_ms[-2500:]
        self._view.show(
            phase,
            {
                "scored": f"{seen.accepted:,} of {total:,}",
                "rate": f"{(seen.accepted - before) / (now - then):,.0f}/s" if now > then else "-",
                "p50": f"{quantile(recent, 0.5):.1f} ms" if recent else "-",
                "p99": f"{quantile(recent, 0.99):.1f} ms" if recent else "-",
                "alerts": f"{seen.not_approved:,}",
                "scorer lag": f"{self._lag():,}",
                "rejected": f"{seen.rejected:,}",
                "memory": f"{self._chain.rss_mib():,.0f} MiB",
            },
        )

    def _lag(self) -> int:
        """Transactions that the broker has and whose score was not read here yet."""
        return max(
            sum(self._admin.end_offsets("transactions.v1", DEFAULT_PARTITIONS))
            - self._observer.seen.accepted,
            0,
        )


def _count(kafka: str, topic: str) -> int:
    """Committed records of a topic."""
    with TopicReader(kafka, [topic]) as reader:
        return sum(1 for _ in reader.until_end())


def _serve(chain: Chain, view: View) -> None:
    """Keep everything running until Ctrl-C."""
    row = {
        "transaction_id": "try-1",
        "customer_id": "c000001",
        "account_token": "tok-1",
        "channel": "ECOM",
        "kind": "PURCHASE",
        "amount_minor": 4250,
        "currency": "EUR",
        "occurred_at": int(time.time() * 1000),
    }
    view.say(f"gateway {chain.gateway}   kafka {chain.stack.kafka}   redis {chain.stack.redis}")
    for service in chain.services.values():
        view.say(f"{service.name:9} {service.telemetry}/metrics")
    view.say("the gateway asks nobody for a key here (--auth none): docs/auth.md")
    view.say("try:")
    print(
        f"curl -s -X POST {chain.gateway}/v1/decisions -H 'Content-Type: application/json' -d "
        f"'{json.dumps(row)}'"
    )
    print(f"riskstream tail alerts.v1 --kafka {chain.stack.kafka} --from -3")
    view.say("Ctrl-C ends everything")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        view.say("ending")
