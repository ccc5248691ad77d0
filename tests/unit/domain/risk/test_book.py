"""The rules that are on, as one value."""

import hashlib
import json
from typing import Any

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.book import MAX_RULES, read_book
from riskstream.domain.risk.rules.rule import hash_of, names_of

NAMES = names_of(STANDARD)


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "rule_id": "r",
        "version": 1,
        "is_on": True,
        "when": "base_amount_minor > 5",
        "action": "REVIEW",
        "reason": "RULE_R",
        "max_share": 0.5,
        "feature_set": "standard.v1",
        "changed_at": 1,
        "changed_by": "",
        **changes,
    }


def listed(*values: str) -> dict[str, Any]:
    return {"list_id": "l", "version": 1, "values": list(values), "changed_at": 1, "changed_by": ""}


def test_only_rules_that_are_on_are_in_it_and_none_has_no_version() -> None:
    book = read_book(
        [rule(rule_id="b"), rule(rule_id="a"), rule(rule_id="c", is_on=False)], [], NAMES
    )
    assert [each.rule_id for each in book.rules] == ["a", "b"]
    assert read_book([rule(is_on=False)], [listed("x")], NAMES).version == ""


def test_the_version_changes_with_what_is_done_and_not_with_who_did_it() -> None:
    asks = rule(when='customer_id in lists["l"]')
    first = read_book([asks], [listed("a", "b")], NAMES)
    assert (
        read_book(
            [{**asks, "changed_by": "ann", "changed_at": 9}], [listed("b", "a")], NAMES
        ).version
        == first.version
    )
    assert read_book([asks], [listed("a")], NAMES).version != first.version
    assert (
        read_book([{**asks, "action": "BLOCK"}], [listed("a", "b")], NAMES).version != first.version
    )
    assert first.lists["l"].always.tolist() == sorted([hash_of("a"), hash_of("b")])


def test_an_end_changes_the_version_and_a_note_does_not() -> None:
    asks, plain = rule(when='customer_id in lists["l"]'), listed("b", "a")
    said = [[["r", 1, asks["when"], "REVIEW", "RULE_R"]], {"l": ["a", "b"]}]
    before = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]

    def version(**changes: Any) -> str:
        return read_book([asks], [{**plain, **changes}], NAMES).version

    assert version() == before, "as versions without ends give it"
    assert version(notes=["why", ""], ends_at=[]) == before
    ends = [version(ends_at=each) for each in ([5, 0], [0, 5], [5, 5], [6, 5])]
    assert len({before, *ends}) == 5
    book = read_book([asks], [{**plain, "ends_at": [5, 0]}], NAMES).lists["l"]
    assert (book.always.tolist(), book.ending.tolist()) == ([hash_of("a")], [hash_of("b")])


def test_a_rule_that_cannot_be_read_is_told_and_the_others_stand() -> None:
    bad = [
        rule(rule_id="feature", when="no_such_thing > 1"),
        rule(rule_id="list", when='customer_id in lists["gone"]'),
        rule(rule_id="zero", when="base_amount_minor / 0 > 1"),
    ]
    book = read_book([*bad, rule(rule_id="good")], [], NAMES)
    assert [each.rule_id for each in book.rules] == ["good"]
    assert dict(book.refused).keys() == {"feature", "list", "zero"}
    assert "no list gone" in dict(book.refused)["list"]


def test_rules_have_a_bound() -> None:
    book = read_book([rule(rule_id=f"{n:04d}") for n in range(MAX_RULES + 1)], [], NAMES)
    assert len(book.rules) == MAX_RULES
    assert book.refused[0][0] == f"{MAX_RULES:04d}"
