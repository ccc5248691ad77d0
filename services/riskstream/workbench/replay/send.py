"""Sends merged slices to Kafka at a pace, and remembers how far it came, so that a replay can be
resumed.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.proofs import TopicNeeds, prove_topics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import whole
from riskstream.workbench.replay.merge import Slice
from riskstream.workbench.replay.span import AheadEncoder, Rows

_PART_ROWS = 4096


@dataclass(slots=True)
class Progress:
    """How far a replay came: events and file rows that the broker has, bad rows, event time."""

    events: int = 0
    transactions: int = 0
    labels: int = 0
    file_rows: int = 0
    bad: int = 0
    at_ms: int = 0


class Sender:
    """Sends slices in order. Before an hour of event time begins, all of the one before is with the
    broker.
    """

    def __init__(
        self, bootstrap: str, *, rate: float | None, speed: float | None, stop: Event
    ) -> None:
        prove_topics(
            TopicAdmin(bootstrap),
            TopicNeeds(reads=(), writes=["transactions.v1", "labels.v1"]),
            bootstrap,
        )
        self._producer = BulkProducer(bootstrap, "replay", linger_ms=5)
        self._rate, self._speed, self._stop = rate, speed, stop
        self._encoders = {
            "transactions.v1": AheadEncoder("transaction.v1"),
            "labels.v1": AheadEncoder("label.v1"),
        }
        self._started = time.monotonic()
        self._sent = 0
        self._first_ms: int | None = None
        self.progress = Progress()

    def send(self, part: Slice, skip: int, on_sent: Callable[[Progress], None]) -> bool:
        """Send a slice but its first `skip` events; False when stopped before its end."""
        if self._first_ms is None:
            self._first_ms = part.start_ms
        for topic, rows in (("transactions.v1", part.transactions), ("labels.v1", part.labels)):
            if rows is None:
                continue
            drop = min(skip, rows.num_rows)
            skip -= drop
            for start in range(drop, rows.num_rows, self._part_rows()):
                piece = rows.part(start, start + self._part_rows())
                if not self._pace(part.start_ms):
                    self._producer.flush()
                    return False
                self._send(topic, piece)
                if topic == "labels.v1":
                    self.progress.labels += piece.num_rows
                else:
                    self.progress.transactions += piece.num_rows
                self.progress.events += piece.num_rows
                on_sent(self.progress)
        self._producer.flush()
        self.progress.file_rows = part.file_rows
        self.progress.at_ms = part.end_ms
        on_sent(self.progress)
        return True

    def _part_rows(self) -> int:
        return _PART_ROWS if self._rate is None else max(1, min(_PART_ROWS, int(self._rate / 50)))

    def _send(self, topic: str, rows: Rows) -> None:
        self._producer.send(topic, *self._encoders[topic].records(rows))
        self._sent += rows.num_rows

    def _pace(self, at_ms: int) -> bool:
        """Wait for the turn of the next rows; False when stopped."""
        due = self._started
        if self._rate is not None:
            due = self._started + self._sent / self._rate
        elif self._speed is not None and self._first_ms is not None:
            due = self._started + (at_ms - self._first_ms) / 1000 / self._speed
        while (wait := due - time.monotonic()) > 0:
            self._producer.poll()
            if self._stop.wait(min(wait, 0.1)):
                return False
        return not self._stop.is_set()


class ResumeFile:
    """How far a replay of one file with one mapping came; written whole, at most once a second."""

    def __init__(self, path: Path, sources: Sequence[Path], mapping_text: str) -> None:
        self._path = path
        stats = [(each.resolve(), each.stat()) for each in sources]
        files = "".join(f"{name}|{stat.st_size}|{int(stat.st_mtime)}|" for name, stat in stats)
        text = f"{files}{mapping_text}"
        self._identity = hashlib.sha256(text.encode()).hexdigest()
        self._written = 0.0

    def read(self) -> Progress:
        """The progress to go on from; Fatal where the file belongs to another replay."""
        if not self._path.exists():
            return Progress()
        data = json.loads(self._path.read_text())
        if data.pop("identity") != self._identity:
            raise Fatal(
                what="it was written for another file or mapping",
                where=str(self._path),
                do="give another --state, or delete it",
                exit_code=Exit.INPUT,
            )
        return Progress(**data)

    def write(self, progress: Progress, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._written < 1.0:
            return
        self._written = time.monotonic()
        data = {
            "identity": self._identity,
            **{name: getattr(progress, name) for name in Progress.__slots__},
        }
        with whole(self._path, "--state") as partial:
            partial.write_text(json.dumps(data))
