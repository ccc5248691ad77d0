"""The second stage inside the scorer's core: who is asked, what decides, and what happens where
there is no number.
"""

import numpy as np
from numpy.typing import NDArray
from tests.support.scoring import scored

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy, Stage2


class ByAmount:
    """A model that says the amount in hundredths, NaN from 1000 on."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        amounts = rows[:, 0]
        return np.where(amounts >= 1000, np.nan, amounts / 100).astype(np.float32)


class Fixed:
    """A second stage of one answer, that counts the rows it was asked for."""

    def __init__(self, answer: float, *, is_degraded: bool = False) -> None:
        self.answer, self.asked, self.is_degraded = answer, 0, is_degraded

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.asked += len(rows)
        return np.full(len(rows), self.answer, np.float32)


def _core(second: Fixed | None) -> ScorerCore:
    stage2 = None if second is None else Stage2(model=second, low=0.2, high=0.8)
    policy = Policy(
        model_version="a+b", review_from=0.5, block_from=0.9, paths=NO_TREES, stage2=stage2
    )
    return ScorerCore(STANDARD, ByAmount(), policy, 64, "EUR")


def test_only_the_band_is_asked_and_the_second_score_decides_there() -> None:
    second = Fixed(0.95)
    rows = scored(_core(second), 0, 19, 20, 79, 80)
    assert second.asked == 2
    assert [each["decision"] for each in rows] == ["APPROVE", "BLOCK", "BLOCK", "REVIEW"]
    assert [each["stage2_score"] is None for each in rows] == [True, False, False, True]
    np.testing.assert_allclose([each["score"] for each in rows], [0.19, 0.2, 0.79, 0.8], rtol=1e-6)
    assert {each["model_version"] for each in rows} == {"a+b"}
    assert [each["flags"] for each in rows] == [[], [], [], []]


def test_an_answer_of_a_batch_before_is_not_left_standing() -> None:
    core = _core(Fixed(0.95))
    assert scored(core, 0, 50)[0]["stage2_score"] is not None
    assert scored(core, 1, 10)[0]["stage2_score"] is None


def test_without_a_second_stage_nothing_is_asked() -> None:
    assert [each["stage2_score"] for each in scored(_core(None), 0, 20, 50)] == [None, None]


def test_a_second_stage_in_place_of_its_gpu_is_flagged_on_the_rows_it_answered() -> None:
    rows = scored(_core(Fixed(0.1, is_degraded=True)), 0, 10, 50)
    assert [each["flags"] for each in rows] == [[], ["gpu_lost"]]
    assert rows[1]["decision"] == "APPROVE"


def test_where_the_second_stage_gives_no_number_the_first_decides() -> None:
    rows = scored(_core(Fixed(float("nan"))), 0, 10, 60)
    assert [(each["decision"], each["stage2_score"], each["flags"]) for each in rows] == [
        ("APPROVE", None, []),
        ("REVIEW", None, ["no_stage2"]),
    ]


def test_where_the_model_gives_no_number_a_human_decides() -> None:
    core = _core(None)
    rows = scored(core, 0, 10, 1000)
    assert [(each["decision"], each["score"] is None, each["flags"]) for each in rows] == [
        ("APPROVE", False, []),
        ("REVIEW", True, ["no_score"]),
    ]
    assert scored(core, 2, 10)[0]["score"] is not None
