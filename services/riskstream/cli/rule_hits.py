"""How often rules matched lately: scores.v1 names the rules of each score."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riskstream.cli.moments import moment
from riskstream.domain.risk.features.owned.repeats_kernel import GOOD
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal
from riskstream.runtime.words import count_of

_READ_S = 60.0


@dataclass(slots=True)
class Recent:
    """The newest scores: when each was appended, ms since 1970 UTC, and by rule when it matched.
    `unread`: why none could be read.
    """

    scored_at: list[int] = field(default_factory=list)
    matched_at: dict[str, list[int]] = field(default_factory=dict)
    unread: str = ""

    def said(self, rule_id: str, changed_at: int) -> str:
        """In words, how often a rule matched since it was last changed, among these scores."""
        scores = _since(self.scored_at, changed_at)
        matched = _since(self.matched_at.get(rule_id, []), changed_at)
        if not len(scores):
            return "no score since then"
        share = 100 * len(matched) / len(scores)
        counts = f"matched {len(matched):,} of {count_of(len(scores), 'score')} ({share:.2f} %)"
        since = f"{counts} since {moment(int(scores.min()))}"
        return f"{since}, last {moment(int(matched.max()))}" if len(matched) else since


class RecentScores:
    """Takes records of scores.v1, each partition in order. Scores of repeats are left out: each
    transaction counts once.
    """

    def __init__(self) -> None:
        self.found = Recent()
        self._scores = AcceptedScores()

    def take(self, records: list[Record]) -> None:
        columns, rows = self._scores.take(records, wait_s=0)
        verdicts, (_, lengths) = columns.numbers("verdict"), columns.span("rules")
        for row in rows:
            if verdicts[row] != GOOD:
                continue
            at = records[row].appended_at
            self.found.scored_at.append(at)
            if lengths[row] > 1:  # an empty list is one byte, or none
                for name in columns.record(row)["rules"]:
                    self.found.matched_at.setdefault(name, []).append(at)


def recent_matches(kafka: str, topic: str, most: int) -> Recent:
    """Of the last `most` records of each partition. Where scores cannot be read, as by somebody
    who may only see rules, it says why.
    """
    scores = RecentScores()
    if not most:
        return scores.found
    try:
        with TopicReader(kafka, [topic], start="end", committed_only=False) as reader:
            starts = {place: max(at - most, 0) for place, at in reader.ends.items()}
        with TopicReader(kafka, [topic], offsets=starts, committed_only=False) as reader:
            for records in reader.batches_until_end(_READ_S):
                scores.take(records)
    except Fatal as error:
        return Recent(unread=str(error))
    return scores.found


def _since(moments: list[int], at_ms: int) -> NDArray[np.int64]:
    found = np.array(moments, np.int64)
    return found[found >= at_ms]
