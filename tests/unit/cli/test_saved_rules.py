"""What is shown of rules as rules.v1 holds them: each read for the feature set that it was checked for."""

from typing import Any

import pytest

from riskstream.adapters.rule_records import RULES, RuleRecords
from riskstream.cli.saved_rules import Saved
from riskstream.contracts.codec import codec
from riskstream.kafka.ports import Record
from riskstream.risk.features.standard import STANDARD, first_version


def _saved(feature_set: str) -> Saved:
    rule: dict[str, Any] = {
        "rule_id": "r", "version": 1, "is_on": True, "when": f"{STANDARD.features[0].name} > 5", "action": "REVIEW",
        "reason": "R", "max_share": 0.5, "feature_set": feature_set, "changed_at": 1, "changed_by": "",
    }  # fmt: skip
    records = RuleRecords()
    records.take(
        Record(
            topic=RULES, partition=0, offset=0, appended_at=1, key=b"r", value=codec("rule.v1").encode(rule), headers=[]
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
