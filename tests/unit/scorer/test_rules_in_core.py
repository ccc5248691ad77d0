"""Rules inside the scorer's core: decisions, reasons and rules of each score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support.scoring import scored

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.book import read_book
from riskstream.domain.risk.rules.rule import names_of
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy


class Never:
    """A model that finds nothing."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(len(rows), np.float32)


def _core(*rules: tuple[str, str, str]) -> ScorerCore:
    core = ScorerCore(
        STANDARD,
        Never(),
        Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES),
        64,
        "EUR",
    )
    _use(core, *rules)
    return core


def _use(core: ScorerCore, *rules: tuple[str, str, str]) -> None:
    records: list[dict[str, Any]] = [
        {
            "rule_id": f"r{n}",
            "version": 1,
            "is_on": True,
            "when": when,
            "action": action,
            "reason": reason,
            "max_share": 1.0,
        }
        for n, (when, action, reason) in enumerate(rules)
    ]
    core.decider.next_rules = read_book(records, [], names_of(STANDARD))


def test_a_rule_raises_the_decisions_of_the_rows_it_is_true_of() -> None:
    core = _core(
        ("base_amount_minor > 50", "REVIEW", "R_A"), ("base_amount_minor > 500", "BLOCK", "R_B")
    )
    small, large, huge = scored(core, 0, 10, 100, 1000)
    assert [each["decision"] for each in (small, large, huge)] == ["APPROVE", "REVIEW", "BLOCK"]
    assert [each["rules"] for each in (small, large, huge)] == [[], ["r0"], ["r0", "r1"]]
    assert huge["reasons"] == ["R_A", "R_B"]
    assert small["rules_version"] == huge["rules_version"] != ""


def test_reasons_of_a_batch_before_do_not_hide_those_of_this_one() -> None:
    core = _core(
        ("base_amount_minor > 50", "REVIEW", "R_A"), ("base_amount_minor > 50", "REVIEW", "R_B")
    )
    assert scored(core, 0, 100)[0]["reasons"] == ["R_A", "R_B"]
    _use(
        core,
        ("base_amount_minor > 50", "REVIEW", "R_C"),
        ("base_amount_minor > 50", "REVIEW", "R_B"),
    )
    assert scored(core, 1, 100)[0]["reasons"] == ["R_C", "R_B"]


def test_two_rules_with_one_reason_give_it_once() -> None:
    core = _core(
        ("base_amount_minor > 50", "REVIEW", "R_A"), ("base_amount_minor > 60", "BLOCK", "R_A")
    )
    found = scored(core, 0, 100)[0]
    assert (found["reasons"], found["rules"], found["decision"]) == (["R_A"], ["r0", "r1"], "BLOCK")
