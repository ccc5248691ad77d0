"""What is shown of rules as rules.v1 holds them: each read for the feature set that it was checked
for.
"""

from typing import Any

import pytest
from click.testing import CliRunner

from riskstream.cli import rules
from riskstream.cli.rule_hits import Recent
from riskstream.cli.rules import command
from riskstream.cli.saved_rules import Saved
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD, first_version
from riskstream.platform.adapters.rule_records import RULES, RuleRecords
from riskstream.platform.kafka.record import Record


def _saved(
    feature_set: str, when: str = f"{STANDARD.features[0].name} > 5", **changes: Any
) -> Saved:
    rule: dict[str, Any] = {
        "rule_id": "r",
        "version": 1,
        "is_on": True,
        "when": when,
        "action": "REVIEW",
        "reason": "R",
        "max_share": 0.5,
        "feature_set": feature_set,
        "changed_at": 1_717_236_000_000,
        "changed_by": "ann",
        **changes,
    }
    records = RuleRecords()
    records.take(
        Record(
            topic=RULES,
            partition=0,
            offset=0,
            appended_at=1,
            key=b"r",
            value=codec("rule.v1").encode(rule),
            headers=[],
        )
    )
    return Saved("", records.said(RULES), {}, records)


@pytest.mark.parametrize("features", [STANDARD, first_version(STANDARD)])
def test_a_rule_is_read_by_the_version_that_it_was_checked_for(features: Any) -> None:
    assert _saved(features.label).refused() == []


@pytest.mark.parametrize("label", ["standard.v99", "another.v1"])
def test_a_rule_of_a_set_that_is_not_here_is_told(label: str) -> None:
    assert [each.why for each in _saved(label).refused()] == [
        f"it was checked for {label}, which this version does not have"
    ]


def test_what_scorers_of_another_version_refuse_is_told_where_their_set_is_given() -> None:
    before, name = first_version(STANDARD), STANDARD.features[0].name
    saved = _saved(before.label)
    assert saved.refused() == saved.refused(before) == []
    [refused] = saved.refused(STANDARD)
    assert (refused.key, refused.reason) == ("r", "rule")
    assert refused.why == (
        f"r: it was checked for {before.label}, and {name} is another feature in {STANDARD.label}"
    )
    assert _saved(before.label, "base_amount_minor > 5").refused(STANDARD) == []


def test_a_rule_is_told_once_though_it_is_wrong_for_its_own_set_as_well() -> None:
    assert len(_saved("standard.v99").refused(STANDARD)) == 1
    assert len(_saved(STANDARD.label, "nothing_such > 5").refused(STANDARD)) == 1


def test_the_command_takes_the_set_of_the_scorers(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = _saved(first_version(STANDARD).label)
    monkeypatch.setattr(Saved, "read", lambda _kafka: saved)
    monkeypatch.setattr(rules, "recent_matches", lambda *_: Recent())
    assert (
        "1 rule on, 0 lists, 0 records refused"
        in CliRunner().invoke(command, ["show", "--kafka", "k:1"]).output
    )
    told = CliRunner().invoke(command, ["show", "--kafka", "k:1", "--features", "standard"]).output
    assert "is another feature in standard.v2" in told
    assert "0 rules on, 0 lists, 1 record refused" in told


def test_a_rule_is_shown_with_who_changed_it_when_and_how_often_it_matched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def recent(_kafka: str, topic: str, most: int) -> Recent:
        asked.append((topic, most))
        at = 1_717_236_000_000
        return Recent(scored_at=[at, at + 1000], matched_at={"r": [at + 1000]})

    def shown(*given: str, **changes: Any) -> list[str]:
        monkeypatch.setattr(Saved, "read", lambda _kafka: _saved(STANDARD.label, **changes))
        found = CliRunner().invoke(command, ["show", "--kafka", "k:1", *given])
        assert found.exit_code == 0, found.output
        return found.output.splitlines()

    monkeypatch.setattr(rules, "recent_matches", recent)
    who = "  changed 2024-06-01 10:00:00 UTC by ann"
    matched = (
        "; matched 1 of 2 scores (50.00 %) since 2024-06-01 10:00:00 UTC, "
        "last 2024-06-01 10:00:01 UTC"
    )
    assert shown()[1] == who + matched
    assert shown("--recent", "0")[1] == who
    assert shown(is_on=False, changed_by="")[1] == who.replace("ann", "nobody named")
    assert asked == [("scores.v1", 10_000), ("scores.v1", 0), ("scores.v1", 0)]
    monkeypatch.setattr(rules, "recent_matches", lambda *_: Recent(unread="no right (k:1): ask"))
    assert shown()[1] == who
    assert "not known how often rules matched: no right (k:1): ask" in shown()
