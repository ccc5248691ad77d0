"""The reporter's loop: a round each so often, where it is this reporter's turn."""

import time
from threading import Event

from riskstream.platform.kafka.standby import Standby
from riskstream.reporter.app import Reporter, log
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
