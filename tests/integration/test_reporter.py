"""The reporter on a real broker: ended at each step of a round it loses and doubles nothing, and of
two of them one works.
"""

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.support.builders import frame
from tests.support.own_topics import log_with, wait_until
from tests.support.world import World

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.faults import REPORTER_POINTS
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, start_service, wait_ready

# `make proof`: every point; `make test`: those that can go wrong most
WHOLE = "RISKSTREAM_FAULT_TIMES" in os.environ
CASES = (
    [(point, how) for point in REPORTER_POINTS for how in ("kill", "raise")]
    if WHOLE
    else [("counted", "kill"), ("filed", "raise")]
)
SENT, CUSTOMERS, AMOUNT = 40, 8, 700


class _Reports:
    """Reporters of a folder, and payments of an hour that no other test uses."""

    def __init__(self, chain: Chain, folder: Path) -> None:
        self.world, self.folder, self.sent = World(chain), folder, 0
        self._started: list[Service] = []
        self.hour = int(time.time() * 1000) // HOUR_MS * HOUR_MS - 2 * HOUR_MS

    def start(self, name: str, **env: str) -> Service:
        given = {f"RISKSTREAM_FAULT_{key}": value for key, value in env.items()}
        options = {
            "kafka": self.world.kafka,
            "out": self.folder / "reports",
            "every-s": 1,
            "so-far": "true",
        }
        arguments = [str(each) for name, value in options.items() for each in (f"--{name}", value)]
        self._started.append(
            start_service(f"reporter-{name}", self.folder / "logs", *arguments, env=given)
        )
        return self._started[-1]

    def stop(self) -> None:
        """End the reporters that still run, paused ones too: one that is left keeps the turn."""
        for service in self._started:
            if service.server.is_running:
                os.kill(service.server.pid, signal.SIGCONT)
            service.server.stop()
        self._started.clear()

    def send(self) -> None:
        """Payments, through scorer and tracker."""
        tag = self.world.tag
        self.world.send(
            [
                (
                    f"{tag}-{n % CUSTOMERS}".encode(),
                    frame(
                        customer_id=f"{tag}-{n % CUSTOMERS}",
                        transaction_id=f"{tag}-{n}",
                        amount_minor=AMOUNT,
                        base_amount_minor=AMOUNT,
                        occurred_at=self.hour + n * 1000,
                    ),
                )
                for n in range(self.sent, self.sent + SENT)
            ]
        )
        self.sent += SENT
        self.world.wait_for_tracker()

    def says_all(self) -> bool:
        """True where the newest report of hours says every payment of ours, and its control totals
        say the same.
        """
        found = sorted(
            (self.folder / "reports").glob("hourly-*.json"), key=lambda path: path.stat().st_mtime
        )
        if not found:
            return False
        report = json.loads(found[-1].read_text())
        windows = {window["start_at"]: window for window in report["windows"]}
        rows = pq.read_table(found[-1].with_suffix(".parquet")).to_pylist()
        mine = [row for row in rows if row["customer_id"].startswith(self.world.tag)]
        sums = [sum(row[name] for row in mine) for name in ("transactions", "amount_minor")]
        return sums == [self.sent, self.sent * AMOUNT] and bool(windows[self.hour]["is_reconciled"])

    def published(self) -> list[dict[str, Any]]:
        with TopicReader(self.world.kafka, ["risk-reports.v1"]) as reader:
            return [codec("risk-report.v1").decode(record.value) for record in reader.until_end()]


@pytest.fixture(scope="module")
def _with_lane(bare: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Reports]:
    """With payments in the states already, and a scorer and a tracker that take more."""
    lane = [bare.start("scorer"), bare.start("tracker")]
    wait_ready(lane)
    out = _Reports(bare, tmp_path_factory.mktemp("reporter"))
    out.send()
    yield out
    for service in lane:
        service.server.stop()


@pytest.fixture
def reports(_with_lane: _Reports) -> Iterator[_Reports]:
    yield _with_lane
    _with_lane.stop()


def _written(service: Service) -> int:
    return service.server.log.read_text().count('"report written"')


def _ended(service: Service) -> None:
    wait_until(lambda: not service.server.is_running, f"the end of {service.name}")
    assert service.server._guard.returncode
    service.server.stop()


def test_a_reporter_that_fails_at_a_step_is_as_if_it_did_not(reports: _Reports) -> None:
    for number, (point, how) in enumerate(CASES):
        _ended(reports.start(str(number), POINT=point, HOW=how))
        reports.send()
    after = reports.start("after")
    wait_until(reports.says_all, "a report that says all")
    reports.send()
    wait_until(reports.says_all, "the next one")
    after.server.stop()
    texts = {path.stem: path.read_bytes() for path in (reports.folder / "reports").glob("*.json")}
    mine = [each for each in reports.published() if each["report_id"] in texts]
    assert mine
    assert all(
        each["sha256"] == hashlib.sha256(texts[each["report_id"]]).hexdigest() for each in mine
    )


def test_of_two_reporters_one_works_and_the_other_takes_its_place(reports: _Reports) -> None:
    both = [reports.start("first"), reports.start("second")]
    wait_until(lambda: any(map(_written, both)), "a report of one of them")
    second, first = sorted(both, key=_written)
    log_with(second, "stands by: another reporter writes the reports")
    assert _written(second) == 0
    os.kill(first.server.pid, signal.SIGSTOP)
    wait_until(lambda: _written(second) > 0, "a report of the other")
    before, told = _written(first), _written(second)
    os.kill(first.server.pid, signal.SIGCONT)
    wait_until(lambda: _written(second) >= told + 6, "it goes on")
    assert _written(first) == before, (
        "it may not know yet that it lost its turn; what it publishes is refused"
    )
    second.server.stop()
    wait_until(lambda: _written(first) > before, "the first has its turn again")
