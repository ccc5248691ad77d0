"""Accepted scores of a topic, as every test reads them."""

import time
from collections.abc import Callable, Mapping

from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.accepted import AcceptedScore, AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader


def accepted_scores(
    kafka: str,
    topic: str,
    count: int,
    wanted: Callable[[Score], bool] = lambda _: True,
    starts: Mapping[tuple[str, int], int] | None = None,
    deadline_s: float = 40.0,
) -> list[AcceptedScore]:
    """The first `count` that are wanted, from `starts` or the beginning on. AssertionError where
    they do not come in time, one is missing in their series, or a record is no score.
    """
    scores, out = AcceptedScores(), list[AcceptedScore]()
    end = time.monotonic() + deadline_s
    with TopicReader(kafka, [topic], offsets=dict(starts or {}), committed_only=False) as reader:
        while len(out) < count:
            assert time.monotonic() < end, f"{len(out)} of {count} scores within {deadline_s} s"
            out += [each for each in scores.each(reader.poll(0.1)) if wanted(each.score)]
    assert scores.rule.gaps == 0
    assert scores.unreadable == 0
    return out
