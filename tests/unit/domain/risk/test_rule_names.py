"""What a rule may say: every field and feature that the pages list, with one meaning everywhere."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.features.declare import FeatureSet, Input
from riskstream.domain.risk.features.owned.input_kernel import input_kernel
from riskstream.domain.risk.features.sets import SETS, set_of
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.checked_for import difference
from riskstream.domain.risk.rules.expression import parse
from riskstream.domain.risk.rules.inputs import FIELD_OF, computed
from riskstream.domain.risk.rules.names import RuleError
from riskstream.domain.risk.rules.rule import hash_of, names_of

DOCS = Path(__file__).resolve().parents[4] / "docs"
EVERY_SET = list(SETS.values())


def _first_cells(page: str, title: str) -> list[str]:
    """Of the rows of the first table below a heading."""
    below = page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in below.splitlines() if line.startswith("|")]
    return [row.split("|")[1].strip() for row in rows[2:]]


def _documented_features() -> list[tuple[str, str]]:
    page = (DOCS / "features.md").read_text()
    labels = re.findall(r"^## (\S+\.v\d+)$", page, re.M)
    return [(label, cell.strip("`")) for label in labels for cell in _first_cells(page, label)]


def test_every_feature_and_input_that_a_page_lists_may_stand_in_a_rule_of_its_set() -> None:
    listed = _documented_features()
    assert len(listed) > 100
    for label, name in listed:
        features = set_of(label)
        assert features is not None
        assert name in names_of(features), f"{name} of {label}"


def test_every_field_that_the_door_takes_may_stand_in_a_rule() -> None:
    page = (DOCS / "http.md").read_text()
    table = page.split("| field | | meaning |\n", 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines()[1:]]
    listed = {name.strip() for cell in cells for name in cell.split(",")}
    assert len(listed) > 15
    assert listed <= set(names_of(STANDARD))


def test_the_page_of_rules_lists_what_every_set_has_and_nothing_else() -> None:
    page = (DOCS / "rules.md").read_text()
    listed = {
        name
        for cell in _first_cells(page, "What a rule may say")
        for name in re.findall(r"`([^`]+)`", cell)
    }
    own = {name for features in EVERY_SET for name in features.names}
    fields = {field["name"] for field in contract("transaction.v1").schema["fields"]}
    every = [set(names_of(features)) for features in EVERY_SET]
    assert listed == set.intersection(*every) == fields | {"hour", "weekday", "score"}
    assert set.union(*every) == listed | own


@pytest.mark.parametrize("features", EVERY_SET, ids=lambda each: each.label)
def test_each_name_can_be_read_and_reads_what_a_record_holds(features: FeatureSet) -> None:
    held = {field["name"] for field in contract("transaction.v1").schema["fields"]}
    held |= {"score", *(each.name for each in features.features)}
    for name in names_of(features):
        found = parse(f"{name} is not None", names_of(features), hash_of)
        assert found.names == {name}
        assert found.reads <= held


def test_a_rule_computes_an_input_as_the_kernel_does() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    columns = {
        "base_amount_minor": rng.integers(0, 10**13, n),
        "occurred_at": rng.integers(-(10**11), 2**42, n),
        "kind": rng.integers(0, 5, n),
        "channel": rng.integers(0, 6, n),
        "mcc": rng.integers(0, 10_000, n),
    }
    columns["occurred_at"][:48] = np.arange(48) * 1_800_000 - np.tile([0, 1], 24)
    program = np.array([int(each) for each in Input], np.int32)
    out = np.empty((n, len(program)), np.float64)
    input_kernel(n, *columns.values(), np.zeros(n, np.uint8), program, out)
    for at, which in enumerate(Input):
        values = columns[FIELD_OF[which]].astype(np.float64)
        np.testing.assert_array_equal(computed(which, values), out[:, at], which.name)


def test_hour_and_weekday_are_those_of_the_calendar_in_utc() -> None:
    for moment in (datetime(2026, 11, 30, 0, 0, 0), datetime(2024, 2, 29, 23, 59, 59)):
        at = np.array([moment.replace(tzinfo=UTC).timestamp() * 1000])
        assert computed(Input.HOUR, at).tolist() == [moment.hour]
        assert computed(Input.WEEKDAY, at).tolist() == [moment.weekday()]


def test_a_rule_on_the_hour_holds_for_every_set_and_one_on_an_input_for_its_own() -> None:
    handbook = SETS["handbook"]
    hour, night, amount = (frozenset({name}) for name in ("hour", "TX_DURING_NIGHT", "amount"))
    assert difference(hour, handbook.label, STANDARD) is None
    assert difference(hour, "another.v9", STANDARD) is None
    assert difference(frozenset({"kind"}), handbook.label, STANDARD) is None
    assert difference(amount, "standard.v1", STANDARD) is None
    assert difference(night, handbook.label, handbook) is None
    assert difference(night, STANDARD.label, handbook) is not None
    assert difference(amount, handbook.label, STANDARD) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weekday == 7", "weekday is never 7; it is a whole number from 0 to 6"),
        ("weekday in (6, 7)", "weekday is never 7"),
        ("24 != hour", "hour is never 24; it is a whole number from 0 to 23"),
        ("hour not in (1, 2.5)", "hour is never 2.5"),
    ],
)
def test_an_hour_or_weekday_that_there_is_not_is_refused(text: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse(text, names_of(STANDARD), hash_of)


def test_every_hour_and_weekday_may_be_compared_with() -> None:
    for text in ("weekday in (0, 6)", "hour == 23 or 0 == hour", "hour < 24", "hour == weekday"):
        assert parse(text, names_of(STANDARD), hash_of).reads == {"occurred_at"}
