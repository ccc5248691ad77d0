"""By which releases payments are scored: read from scores.v1, which names the release of each
score.
"""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from riskstream.platform.kafka.accepted import AcceptedScore, AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Fatal

_QUIET_MS = 1000
"""A release that scored nothing for so long, while others did, is no longer in use."""


@dataclass(slots=True)
class Use:
    """Scores by one release ("": by a model folder). Instants in ms since 1970 UTC, the
    broker's.
    """

    first: int
    last: int
    count: int = 0
    model: str = ""
    partitions: set[int] = field(default_factory=set)


def name_of(release_id: str) -> str:
    """In words."""
    return f"release {release_id}" if release_id else "a model that is no release"


class ScoreWatch:
    """Reads what is scored from the moment it is made on."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._reader: TopicReader | None = None
        self._accepted = AcceptedScores()
        try:
            self._reader = TopicReader(kafka, [topic], start="end", committed_only=False)
            self._reader.poll(0)
        except Fatal:  # a cluster that has no scores yet
            self._reader = None

    @property
    def partition_count(self) -> int:
        return sum(self._reader.counts.values()) if self._reader else 0

    def uses(
        self, feature_set: str, since_ms: int, wait_s: float, target: str, *, wants: bool
    ) -> dict[str, Use]:
        """By release, scores appended since then. Returns early once `target` is the only one in
        use, or not in use any more.
        """
        found: dict[str, Use] = {}
        end = time.monotonic() + wait_s
        while self._reader is not None and time.monotonic() < end:
            for each in self._accepted.each(self._reader.poll(0.1), wait_s=0):
                if each.record.appended_at >= since_ms:
                    _add(found, each, feature_set)
            if found and _is_decided(found, since_ms, target, wants=wants):
                break
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reader is not None:
            self._reader.close()


def in_use_at_the_end(found: dict[str, Use]) -> dict[str, Use]:
    """Of what was found, the releases that scored in the last second of it."""
    newest = max((each.last for each in found.values()), default=0)
    return {name: each for name, each in found.items() if newest - each.last < _QUIET_MS}


def recent(kafka: str, topic: str, most: int) -> tuple[dict[int, tuple[str, str, str, int]], int]:
    """By partition (feature set, release, model, when) of its last score among its last `most`
    records; how many partitions.
    """
    last: dict[int, tuple[str, str, str, int]] = {}
    with TopicReader(kafka, [topic], start="end", committed_only=False) as reader:
        count = sum(reader.counts.values())
        starts = {place: max(at - most, 0) for place, at in reader.ends.items()}
    with TopicReader(kafka, [topic], offsets=starts, committed_only=False) as reader:
        for record, score in AcceptedScores().each(reader.until_end(30), wait_s=0):
            if score.feature_set is not None and score.model_version is not None:
                release_id = score.release_id or ""
                last[record.partition] = (
                    score.feature_set,
                    release_id,
                    score.model_version,
                    record.appended_at,
                )
    return last, count


def _is_decided(found: dict[str, Use], since_ms: int, target: str, *, wants: bool) -> bool:
    newest = max(each.last for each in found.values())
    if newest - since_ms < _QUIET_MS:
        return False
    now = in_use_at_the_end(found)
    return set(now) == {target} if wants else target not in now


def _add(found: dict[str, Use], each: AcceptedScore, feature_set: str) -> None:
    """Count a score that a model of this feature set gave."""
    record, score = each
    if score.feature_set != feature_set or score.model_version is None:
        return
    at = record.appended_at
    use = found.setdefault(score.release_id or "", Use(first=at, last=at))
    use.first, use.last, use.count = min(use.first, at), max(use.last, at), use.count + 1
    use.model = score.model_version
    use.partitions.add(record.partition)
