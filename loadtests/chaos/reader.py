"""A reader that runs beside the chaos: reads scores by the reader's rule, and is restarted from its
own position.
"""

import threading
import time

from loadtests.chaos.load import Load
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Fatal, Retryable


def wait_until_flowing(load: Load, reader: "ConcurrentReader", deadline_s: float = 15.0) -> None:
    """Return when answers keep up with the load: what is hurt then is felt."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end and len(reader.accepted) < load.sent - 300:
        time.sleep(0.1)


class ConcurrentReader(threading.Thread):
    """`accepted` are (partition, src, offset in scores.v1) in the order in which they were
    taken.
    """

    def __init__(self, bootstrap: str, restart_every_s: float = 20.0) -> None:
        super().__init__(name="reader", daemon=True)
        self._kafka, self._every_s = bootstrap, restart_every_s
        self._done = threading.Event()
        self.accepted: list[tuple[int, int, int]] = []
        self.restarts = 0
        self.gaps = 0
        self.problem = ""
        self._offsets: dict[tuple[str, int], int] = {}
        self._metadata: dict[int, str] = {}

    def run(self) -> None:
        while not self._done.is_set():
            try:
                self._session()
            except Retryable:
                time.sleep(0.5)
            except (Fatal, KeyError, ValueError) as error:
                self.problem = f"the concurrent reader failed: {error}"
                return

    def _session(self) -> None:
        """From the position that was kept, by the metadata that was kept beside it, as a restarted
        process would.
        """
        scores = AcceptedScores()
        rule = scores.rule
        for partition, metadata in self._metadata.items():
            rule.resume(partition, metadata)
        end = time.monotonic() + self._every_s
        with TopicReader(
            self._kafka, [SCORES], offsets=dict(self._offsets), committed_only=False
        ) as reader:
            while not self._done.is_set() and time.monotonic() < end:
                records = reader.poll(0.2)
                for record, score in scores.each(records):
                    self.accepted.append((record.partition, score.src, record.offset))
                for record in records:
                    self._offsets[SCORES, record.partition] = record.offset + 1
                    self._metadata[record.partition] = rule.metadata(record.partition)
        self.gaps += rule.gaps
        self.restarts += 1

    def finish(self) -> None:
        self._done.set()
        self.join(30)
