"""Figures of two releases: what is no number is said not to be compared, and hides no other
figure.
"""

import math
from typing import Any

import pytest

from riskstream.cli.release_figures import worse
from riskstream.platform.adapters.release import Release


def _release(metrics: Any) -> Release:
    return Release(release_id="r", manifest={"metrics": metrics}, files={})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "None"),
        ("0.9", "'0.9'"),
        (True, "True"),
        ([1], "[1]"),
        (10**400, "1000"),
    ],
)
def test_a_figure_that_is_no_number_is_said_not_to_be_compared(value: object, shown: str) -> None:
    here, there = {"auc": value, "cost_minor": 30}, {"auc": 0.9, "cost_minor": 20}
    one, other = worse(_release(here), _release(there))
    assert one == "its cost of its decisions is worse: 30 in place of 20"
    assert other.startswith(f"not compared, as one of the two is no number: AUC ({shown}")
    assert other.endswith(" in place of 0.9)")
    [back] = worse(_release(there), _release(here))
    assert back.startswith(
        f"not compared, as one of the two is no number: AUC (0.9 in place of {shown}"
    )


def test_a_figure_that_one_of_them_lacks_is_told_and_one_that_both_lack_is_not() -> None:
    assert worse(_release({"auc": 0.9}), _release({"auc": 0.9, "cost_minor": 5})) == [
        "not compared, as one of the two is no number: cost of its decisions (none in place of 5)"
    ]
    assert worse(_release({"auc": 0.9}), _release({"auc": 0.9})) == []


@pytest.mark.parametrize("metrics", [None, [], "x", {}, 3])
def test_a_card_without_figures_is_one_sentence(metrics: object) -> None:
    for here, there in ((metrics, {}), ({}, metrics)):
        assert worse(_release(here), _release(there)) == [
            ("its figures are not compared: one of the two has none")
        ]
