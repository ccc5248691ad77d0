"""The reporter's loop: a round each so often, where it is this reporter's turn."""

import time
from threading import Event

from riskstream.platform.kafka.standby import Standby
from riskstream.platform.process.process import Process
from riskstream.reporter.app import Reporter, log
from riskstream.reporter.settings import ReporterSettings
from riskstream.reporter.totals import TOPIC
from riskstream.runtime.errors import Retryable

_LOOK_S = 0.5
_TOLD_AFTER_S = 5.0
"""A start takes a second or two to get its turn where nobody else has it."""


class Rounds:
    """`seen_at`: when the loop last went round (time.monotonic)."""

    def __init__(self, reporter: Reporter, turn: Standby, stop: Event) -> None:
        self._reporter, self._turn, self._stop = reporter, turn, stop
        self.seen_at = time.monotonic()

    def run(self, every_s: float) -> None:
        """Until stopped; raises Fatal where Kafka refuses."""
        while not self._stop.wait(every_s) and self._has_turn():
            self.seen_at = time.monotonic()
            try:
                for record in self._reporter.run_once():
                    log.info(
                        "report written",
                        report_id=record["report_id"],
                        reconciled=record["is_reconciled"],
                    )
            except Retryable as error:
                log.warning("report postponed", error=str(error))

    def _has_turn(self) -> bool:
        """Wait for it; False where it is time to stop."""
        began, is_told = time.monotonic(), False
        while not self._turn.is_active:
            self.seen_at = time.monotonic()
            if not is_told and self.seen_at - began > _TOLD_AFTER_S:
                is_told = True
                log.warning(
                    "stands by: another reporter writes the reports, and this one takes "
                    "over when that one ends"
                )
            if self._stop.wait(_LOOK_S):
                return False
        return True


def serve_rounds(process: Process, settings: ReporterSettings, reporter: Reporter) -> None:
    """Runs rounds until the process ends, whenever it is this reporter's turn."""
    turn = Standby(
        settings.kafka,
        "reporter",
        TOPIC,
        group_protocol=settings.group_protocol,
        session_timeout_ms=settings.session_timeout_ms,
    )
    rounds = Rounds(reporter, turn, process.stop)
    with turn:
        process.serve(
            lambda: rounds.run(settings.every_s),
            is_alive=lambda: time.monotonic() - rounds.seen_at < settings.every_s + 900,
            is_ready=lambda: True,
        )
