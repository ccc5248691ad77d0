"""The demo's observer: an independent reader of scores.v1 that keeps what the summary needs."""

import time
from dataclasses import dataclass, field

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.platform.kafka.clients.read import RELAXED, TopicReader
from riskstream.platform.kafka.positions import AcceptedReader


@dataclass(slots=True)
class Seen:
    """Accepted scores: the score by transaction, counts, and latencies (ms, append of the
    transaction to read here).
    """

    scores: dict[str, float] = field(default_factory=dict)
    accepted: int = 0
    again: int = 0
    not_approved: int = 0
    rejected: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    last_at: float = 0.0


class Observer:
    """Reads scores.v1 from where it ends now, by the reader's rule."""

    def __init__(self, kafka: str) -> None:
        self._reader = TopicReader(
            kafka, ["scores.v1"], start="end", committed_only=False, fetching=RELAXED
        )
        self._accepted = AcceptedReader()
        self._decoder = ColumnDecoder("score.v1")
        verdicts = self._decoder.layout.field("verdict").symbols
        self._rejected = verdicts.index("REJECTED")
        self._approve = self._decoder.layout.field("decision").symbols.index("APPROVE")
        self.seen = Seen()

    @property
    def dropped(self) -> int:
        """Raw repeats that the reader's rule dropped."""
        return self._accepted.dropped

    def poll(self, timeout_s: float) -> int:
        """Read what is there; how many records were read."""
        records = self._reader.poll(timeout_s, 4000)
        if not records:
            return 0
        now_ms = time.time() * 1000
        seen = self.seen
        columns = self._decoder.decode_known([record.value for record in records])
        sources, prevs = columns.numbers("src").tolist(), columns.numbers("prev").tolist()
        appended, scores = (
            columns.numbers("src_appended_at").tolist(),
            columns.numbers("score").tolist(),
        )
        verdicts, decisions = (
            columns.numbers("verdict").tolist(),
            columns.numbers("decision").tolist(),
        )
        for index, record in enumerate(records):
            if not self._accepted.accept(record.partition, sources[index], prevs[index]):
                continue
            seen.accepted += 1
            seen.latencies_ms.append(now_ms - appended[index])
            if verdicts[index] == self._rejected:
                seen.rejected += 1
                continue
            transaction_id = columns.text("transaction_id", index)
            if transaction_id in seen.scores:
                seen.again += 1
            seen.scores[transaction_id] = scores[index]
            seen.not_approved += decisions[index] != self._approve
        seen.last_at = time.monotonic()
        return len(records)

    def close(self) -> None:
        self._reader.close()


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed; NaN of none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
