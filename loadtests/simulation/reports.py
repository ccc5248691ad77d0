"""A tracker and two reporters in the world: what they publish adds up to the accepted scores,
whoever was killed or overtaken.
"""

import shutil
import tempfile
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from loadtests.simulation.plan import PARTITIONS
from loadtests.simulation.tracker import SCORES, Tracker
from loadtests.simulation.world import ADDRESS, Lane, World
from riskstream.domain.contracts.codec import codec
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.reporter.totals import TOPIC as TOTALS
from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import sleep
from riskstream.tracker.outputs import ALERTS, STATE

REPORTS = "risk-reports.v1"
METRICS = ReporterMetrics(CollectorRegistry())
EVERY_S = 0.3


class Rounds:
    """As `reporter/rounds.py` does them, but for the turn: two that work beside each other overtake
    each other.
    """

    def __init__(self, out: Path, stop: Event) -> None:
        self._reporter = Reporter(
            ADDRESS,
            ReportFolder(out, keep=1),
            Coverage(grace_s=0, so_far=True),
            METRICS,
            writes_totals=True,
        )
        self._stop = stop

    def run(self) -> None:
        while not self._stop.is_set():
            sleep(EVERY_S)
            try:
                self._reporter.run_once()
            except Retryable:  # the next round begins anew
                continue


class Reports(Tracker):
    """A Scene. Process 0 is a tracker, the others are reporters."""

    outputs, topics = (ALERTS, STATE, TOTALS), (SCORES, ALERTS, STATE, TOTALS, REPORTS)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._out = Path(tempfile.mkdtemp(prefix="riskstream-simulation-"))
        for slot in world.slots[1:]:
            slot.again_at = 0.0

    def lane(self, number: int, stop: Event) -> Lane:
        return super().lane(number, stop) if number == 0 else Rounds(self._out / str(number), stop)

    def held(self) -> list[str]:
        return []

    def calm(self) -> None:
        super().calm()
        self._calm_at = self.world.scheduler.now

    def is_settled(self) -> bool:
        """The tracker has written everything, and a report was made of it."""
        return super().is_settled() and self._last("DAILY") == self._expected()

    def _last(self, grain: str) -> dict[str, int] | None:
        """The newest report's totals."""
        found = [
            each for number in range(PARTITIONS) for each in self.world.committed(REPORTS, number)
        ]
        records = [
            codec("risk-report.v1").decode(each.value)
            for each in sorted(found, key=lambda each: each.appended_at)
        ]
        mine = [each for each in records if each["grain"] == grain]
        return (
            {name: mine[-1][name] for name in ("transactions", "amount_minor", "alerts")}
            if mine
            else None
        )

    def _expected(self) -> dict[str, int]:
        """The sums of what readers accept."""
        good = [
            score
            for partition in range(PARTITIONS)
            for _, score in self._accepted(partition)
            if score.verdict == "GOOD"
        ]
        spent = [score for score in good if score.kind != "REFUND"]
        return {
            "transactions": len(spent),
            "amount_minor": sum(score.base_amount_minor or 0 for score in spent),
            "alerts": sum(score.decision != "APPROVE" for score in good),
        }

    def check(self) -> list[str]:
        shutil.rmtree(self._out, ignore_errors=True)
        problems = super().check()
        for number in range(PARTITIONS):
            for entry in self.world.committed(REPORTS, number):
                record = codec("risk-report.v1").decode(entry.value)
                if not record["is_reconciled"]:
                    problems.append(f"report {record['report_id']} does not reconcile")
        return problems
