"""A state that was lost in part: which scores say so, and what is judged again."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.domain.risk.validity import MAX_AHEAD_MS
from riskstream.platform.kafka.lanes.ports import JUDGE, LIVE, Batch
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.flags import FLAG_PARTIAL
from riskstream.scorer.policy import Policy
from riskstream.scorer.scored import Scored

LONGEST_MS = STANDARD.windows_ms[-1]
COUNT = 10
"""Where the count of the longest window stands in a vector."""


class _Never:
    """A model that finds nothing."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(len(rows), np.float32)


@pytest.fixture
def core() -> ScorerCore:
    return ScorerCore(
        STANDARD,
        _Never(),
        Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES),
        64,
        "EUR",
    )


def _process(
    core: ScorerCore,
    values: list[bytes],
    first: int = 0,
    mode: int = LIVE,
    partitions: tuple[int, ...] = (),
    **more: Any,
) -> Scored:
    n = len(values)
    offsets = np.arange(first, first + n)
    return process(
        core,
        Batch(
            values=list(values),
            keys=[b"c"] * n,
            partitions=np.array(partitions or [0] * n, np.int32),
            offsets=offsets,
            prevs=offsets - 1,
            appended_at=np.full(n, NOW_MS + LONGEST_MS),
            modes=np.full(n, mode, np.uint8),
            partition_count=1,
            **more,
        ),
    )


def _scores(outcome: Scored) -> list[dict[str, Any]]:
    return [codec("score.v1").decode(each) for each in outcome.frames if each is not None]


def _payment(n: int, **changes: Any) -> bytes:
    return frame(
        **{"transaction_id": f"t{n}", "customer_id": "c", "occurred_at": NOW_MS + n, **changes}
    )


def test_scores_say_so_until_their_longest_window_is_past_the_loss(core: ScorerCore) -> None:
    last = NOW_MS + LONGEST_MS + MAX_AHEAD_MS - 1
    values = [
        _payment(n, occurred_at=at) for n, at in enumerate((NOW_MS, last, last + 1, last + 1))
    ]
    outcome = _process(
        core, values, partitions=(0, 0, 0, 1), whole_since={0: NOW_MS, 1: NOW_MS + 1}
    )
    assert [FLAG_PARTIAL in each["flags"] for each in _scores(outcome)] == [True, True, False, True]
    assert outcome.flags[FLAG_PARTIAL] == 3
    whole = _scores(_process(core, [_payment(9)], first=10))
    assert [FLAG_PARTIAL in each["flags"] for each in whole] == [False]


def test_what_was_answered_and_whose_verdict_is_gone_is_judged_again_and_not_answered(
    core: ScorerCore,
) -> None:
    judged = [_payment(0), b"poison", _payment(1), _payment(1), _payment(2, country="belgium")]
    outcome = _process(core, judged, mode=JUDGE)
    assert list(outcome.frames) == [None] * len(judged)
    assert outcome.rejected == [], "its dead letter was written when it was answered"
    [repeat, fresh] = _scores(_process(core, [_payment(1), _payment(3)], first=len(judged)))
    assert repeat["verdict"] == "DUPLICATE"
    assert fresh["features"][COUNT] == 3, (
        "t0, t1 and itself: neither the repeat nor what is rejected by the rules of now"
    )


def test_a_row_that_holds_a_judged_record_is_left(core: ScorerCore) -> None:
    _process(core, [_payment(0), _payment(1)])
    _process(core, [_payment(0), _payment(1)], mode=JUDGE)
    [score] = _scores(_process(core, [_payment(2)], first=2))
    assert score["features"][COUNT] == 3
