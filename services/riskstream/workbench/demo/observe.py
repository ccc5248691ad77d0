"""The demo's observer: an independent reader of scores.v1 that keeps what the summary needs."""

import time
from dataclasses import dataclass, field

from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.read import RELAXED, TopicReader


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
            kafka, [SCORES], start="end", committed_only=False, fetching=RELAXED
        )
        self._accepted = AcceptedScores()
        self.seen = Seen()

    @property
    def dropped(self) -> int:
        """Raw repeats that the reader's rule dropped."""
        return self._accepted.rule.dropped

    def poll(self, timeout_s: float) -> int:
        """Read what is there; how many records were read."""
        records = self._reader.poll(timeout_s, 4000)
        if not records:
            return 0
        now_ms = time.time() * 1000
        seen = self.seen
        columns, rows = self._accepted.take(records)
        rejected = columns.symbols("verdict").index("REJECTED")
        approve = columns.symbols("decision").index("APPROVE")
        appended, scores = (
            columns.numbers("src_appended_at").tolist(),
            columns.numbers("score").tolist(),
        )
        verdicts, decisions = (
            columns.numbers("verdict").tolist(),
            columns.numbers("decision").tolist(),
        )
        for index in rows:
            seen.accepted += 1
            seen.latencies_ms.append(now_ms - appended[index])
            if verdicts[index] == rejected:
                seen.rejected += 1
                continue
            transaction_id = columns.text("transaction_id", index)
            if transaction_id in seen.scores:
                seen.again += 1
            seen.scores[transaction_id] = scores[index]
            seen.not_approved += decisions[index] != approve
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
