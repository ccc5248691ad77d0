"""How often each rule matched lately, by what scores say."""

from typing import Any

import pytest
from tests.support.builders import NOW_MS, score

from riskstream.cli import rule_hits
from riskstream.cli.rule_hits import Recent, RecentScores, recent_matches
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal


def _record(src: int, *rules: str, **changes: Any) -> Record:
    said = score(**{"src": src, "prev": src - 1, "rules": list(rules), **changes})
    return Record(
        topic="scores.v1",
        partition=0,
        offset=src,
        appended_at=NOW_MS + 1000 * src,
        key=b"c",
        value=codec("score.v1").encode(said),
        headers=[],
    )


def test_a_rule_is_counted_from_its_last_change_on() -> None:
    scores = RecentScores()
    scores.take([_record(0, "a", "b"), _record(1), _record(2, "a"), _record(3, "b")])
    said = scores.found.said
    assert said("a", 0) == (
        "matched 2 of 4 scores (50.00 %) since 2024-06-01 10:00:00 UTC, "
        "last 2024-06-01 10:00:02 UTC"
    )
    assert said("a", NOW_MS + 1500).startswith("matched 1 of 2 scores (50.00 %) since 2024-06-01")
    assert said("a", NOW_MS + 3000) == (
        "matched 0 of 1 score (0.00 %) since 2024-06-01 10:00:03 UTC"
    )
    assert said("a", NOW_MS + 9000) == "no score since then"
    assert said("never", 0).startswith("matched 0 of 4 scores")


def test_each_transaction_counts_once() -> None:
    """Neither a score that is written twice, nor a repeat, nor a record that was rejected."""
    scores = RecentScores()
    scores.take([_record(0, "a"), _record(0, "a"), _record(1, "a", verdict="DUPLICATE")])
    rejected = _record(2, verdict="REJECTED", score=None, decision=None)
    junk = Record(
        topic="scores.v1",
        partition=0,
        offset=9,
        appended_at=NOW_MS,
        key=b"c",
        value=b"junk",
        headers=[],
    )
    scores.take([rejected, junk])
    assert scores.found.said("a", 0).startswith("matched 1 of 1 score (100.00 %)")


def test_scores_that_cannot_be_read_are_said_and_a_command_that_wants_none_reads_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise Fatal(what="no topic scores.v1", where="k:1", do="apply", exit_code=2)

    monkeypatch.setattr(rule_hits, "TopicReader", missing)
    assert recent_matches("k:1", "scores.v1", 5).unread == "no topic scores.v1 (k:1): apply"
    assert recent_matches("k:1", "scores.v1", 0) == Recent()
