"""Outside data through the whole chain: 20,000 rows of the Fraud Detection Handbook, replayed by
the command line.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.workbench.local.chain import Chain

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "handbook" / "transactions_dev.parquet"
ROWS = 21_000


@pytest.mark.timeout(600)
def test_rows_in_are_scores_out_alerts_are_not_approved_and_the_report_reconciles(
    model: Path, tmp_path: Path
) -> None:
    if not DATA.exists():
        pytest.skip(
            f"LOUD SKIP: outside data is not there ({DATA.name} beside the checkout): nothing "
            "was replayed"
        )
    table = pq.read_table(DATA).slice(0, ROWS)
    pq.write_table(table, tmp_path / "in.parquet")
    with Chain(tmp_path / "chain", model, names=("scorer", "tracker")) as chain:
        world = World(chain)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from riskstream.cli.main import main; main()",
                "replay",
                str(tmp_path / "in.parquet"),
                "--kafka",
                chain.stack.kafka,
                "--mapping",
                str(ROOT / "examples/mappings/handbook.yaml"),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"{ROWS:,} transactions and {ROWS:,} labels sent, 0 rows left out" in done.stdout
        scores = world.scores(ROWS)
        assert len(scores) == ROWS
        assert {score.verdict for score in scores} == {"GOOD"}
        assert {score.transaction_id for score in scores} == {
            f"h-{n}" for n in table["TRANSACTION_ID"].to_pylist()
        }
        world.wait_for_tracker()
        not_approved = {score.transaction_id for score in scores if score.decision != "APPROVE"}
        alerts = [codec("alert.v1").decode(record.value) for record in world.all_new("alerts.v1")]
        assert len(alerts) == len(not_approved) > 0
        assert {alert["transaction_id"] for alert in alerts} == not_approved
        _check_report(chain, tmp_path, scores)
        _check_features(table, scores)
        with TopicReader(chain.stack.kafka, ["labels.v1"]) as reader:
            labels = [codec("label.v1").decode(record.value) for record in reader.until_end()]
        assert sum(label["outcome"] == "FRAUD" for label in labels) == int(
            np.sum(table["TX_FRAUD"].to_numpy())
        )


def _check_report(chain: Chain, tmp_path: Path, scores: list[Score]) -> None:
    metrics = ReporterMetrics(CollectorRegistry())
    reports, coverage = ReportFolder(tmp_path / "reports"), Coverage(grace_s=0, so_far=True)
    reporter = Reporter(chain.stack.kafka, reports, coverage, metrics)
    for record in reporter.run_once():
        report = json.loads((tmp_path / "reports" / record["json_path"]).read_text())
        assert record["is_reconciled"]
        assert report["totals"]["transactions"] == len(scores)
        assert report["totals"]["amount_minor"] == sum(
            score.base_amount_minor or 0 for score in scores
        )
        assert report["totals"]["alerts"] == sum(score.decision != "APPROVE" for score in scores)
        assert report["totals"]["blocked"] == sum(score.decision == "BLOCK" for score in scores)
        rows = pq.read_table(tmp_path / "reports" / record["parquet_path"])
        assert sum(rows["transactions"].to_pylist()) == len(scores)


def _check_features(table: "pq.Table", scores: list[Score]) -> None:
    """The customer's count and sum of a day, against a plain computation over the file."""
    at = table["TX_DATETIME"].cast("int64").to_numpy()
    customer = table["CUSTOMER_ID"].to_numpy()
    minor = np.rint(table["TX_AMOUNT"].to_numpy() * 100).astype(np.int64)
    by_id = {score.transaction_id: score for score in scores}
    order = table["TRANSACTION_ID"].to_pylist()
    for row in range(0, len(order), 97):
        same = (customer[: row + 1] == customer[row]) & (at[: row + 1] > at[row] - 86_400_000)
        score = by_id[f"h-{order[row]}"]
        assert feature(score, "customer_count_1d") == int(same.sum())
        assert feature(score, "customer_sum_1d") == np.float32(minor[: row + 1][same].sum())
