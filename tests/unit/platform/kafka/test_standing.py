"""Where a partition is gone on with, what is missing there, and when nobody may guess."""

import numpy as np
import pytest
from tests.support.standings import SYMBOLS, standing

from riskstream.platform.kafka.lanes.exact.standing import Hold, Standing
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts


@pytest.mark.parametrize(
    ("found", "start", "o", "position"),
    [
        (standing(None), 0, -1, -1),  # everything is new
        (standing(None, (0, 80)), 0, 79, -1),  # an empty store, whole topics
        (standing(59, (0, 80)), 60, 79, 59),
        (standing(99, (60, 100), committed=100), 100, 99, 99),
        (standing(59, (60, 80), source_low=60), 60, 79, 59),
        (
            standing(99, (100, 100), source_low=102, source_high=102, committed=100, empty_to=102),
            102,
            99,
            99,
        ),  # markers
    ],
)
def test_a_whole_state_goes_on_after_its_watermark(
    found: Standing, start: int, o: int, position: int
) -> None:
    found.refuse_guessing()
    assert found.lost("source", "output") is None
    assert found.certain_from() is None
    assert (found.start, found.known_src, found.position) == (start, o, position)


@pytest.mark.parametrize(
    ("found", "why", "start", "o", "position", "judged_to", "certain_from"),
    [
        # No watermark, heads gone: those from 10 to 19 were answered, and nobody says how.
        (standing(None, (20, 80), source_low=10), "no watermark", 10, 79, 9, 19, 20),
        (standing(None, (5, 80), source_low=10), "no watermark", 10, 79, 9, None, 10),
        # Only the group's offset is left; then not even that.
        (standing(None, (80, 80), source_low=10, committed=80), "no watermark", 10, 79, 9, 79, 80),
        (standing(None, (80, 80), source_low=10), "no watermark", 10, 9, 9, None, 100),
        (standing(None, (100, 100), source_low=100), "no watermark", 100, 99, 99, None, 100),
        # The topic is whole, the answers are not.
        (standing(None, (20, 80)), "19 was answered before", 0, 79, -1, 19, 20),
        # An old backup: the source is past it, or the answers after it are.
        (
            standing(9, (20, 80), source_low=30),
            "source begins at 30, 10 is needed",
            30,
            79,
            29,
            None,
            30,
        ),
        (standing(9, (20, 80)), "19 was answered before", 10, 79, 9, 19, 20),
        # Answered up to 4 and then away for longer than retention: readers see a hole before 9.
        (standing(4, (0, 5), source_low=9), "source begins at 9, 5 is needed", 9, 4, 8, None, 9),
        # What was empty for an owner before the last is no excuse.
        (
            standing(9, (20, 80), source_low=85, committed=80, empty_to=85),
            "begins at 85",
            85,
            79,
            79,
            None,
            85,
        ),
        # Rows of a snapshot reach past its watermark: they were answered.
        (
            standing(50, (80, 80), rows_to=70),
            "70 was answered before",
            51,
            70,
            50,
            70,
            71,
        ),
    ],
)
def test_a_lost_state_goes_on_from_what_is_left(
    found: Standing,
    why: str,
    start: int,
    o: int,
    position: int,
    judged_to: int | None,
    certain_from: int,
) -> None:
    found.refuse_guessing()
    assert why in (found.lost("source", "output") or "it is whole")
    assert (found.start, found.known_src, found.position) == (start, o, position)
    assert (found.missing, found.certain_from()) == (judged_to, certain_from)


def test_answers_that_are_gone_and_unknown_are_given_again_and_flagged() -> None:
    # 10 to 99 may have been answered. Readers drop what they had, but the first answer counts:
    # one that was given while the store was away may have had another verdict.
    found = standing(9, (80, 80))
    assert "the output begins at 80, its records from 10 are needed" in (
        found.lost("source", "output") or ""
    )
    assert (found.start, found.known_src, found.certain_from()) == (10, 9, 100)


def test_a_fresh_group_behind_a_head_that_moved_is_not_lost_and_not_whole() -> None:
    found = standing(None, source_low=30)
    assert found.lost("source", "output") is None
    assert (found.start, found.position, found.certain_from()) == (30, 29, 30)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (standing(9, (0, 80), identity="u"), "made again or repartitioned"),
        (standing(200, (0, 300)), "behind the store"),
        (standing(90, (0, 80)), "behind the store"),
        (standing(None, committed=120), "answered up to 119"),
        (standing(None, (0, 150)), "answered up to 149"),
    ],
)
def test_other_topics_are_a_hold_and_no_lost_state(found: Standing, why: str) -> None:
    with pytest.raises(Hold) as caught:
        found.refuse_guessing()
    assert why in caught.value.why
    assert type(caught.value) is Hold


def test_a_row_past_every_answer_counts_only_where_all_answers_have_expired() -> None:
    assert standing(None, (80, 80), source_low=10, row_ahead=70).known_src == 70
    assert standing(None, (20, 60), source_low=10, row_ahead=70).known_src == 59, (
        "the last answers are there: it was written early"
    )


def test_what_expired_unanswered_is_counted() -> None:
    assert standing(4, (0, 5), source_low=9).unanswered() == 4
    assert standing(4, (0, 80), source_low=9).unanswered() == 0


def test_verdicts_keep_the_first_record_of_each_source_offset_and_its_reason() -> None:
    found = Verdicts(SYMBOLS)
    for srcs, outputs, code, reasons in (
        ([5, 6], [20, 21], 1, {}),
        ([4, 5], [10, 11], 2, {4: "late", 5: "late"}),
    ):
        rows = np.array(srcs, np.int64)
        found.add(rows, rows - 1, np.array(outputs, np.int64), np.full(2, code, np.int64), reasons)
    assert list(found) == [4, 5, 6]
    assert (found[5].verdict, found[5].reason, found[5].output_offset) == ("REJECTED", "late", 11)
    assert (found[6].verdict, found[6].prev) == ("GOOD", 5)
    assert found.get(7) is None


def test_verdicts_are_bounded_and_keep_the_newest() -> None:
    found = Verdicts(SYMBOLS, most=1000)
    for first in range(0, 300_000, 50_000):
        srcs = np.arange(first, first + 50_000, dtype=np.int64)
        found.add(srcs, srcs - 1, srcs, np.ones(len(srcs), np.int64), {first: "old"})
    assert (len(found), found.highest(), found.hole(-1, 299_999)) == (1000, 299_999, 298_999)
    assert found.get(298_998) is None


def test_a_hole_is_found_below_unbroken_runs_and_gaps_that_are_no_holes() -> None:
    found = Verdicts(SYMBOLS)
    srcs = np.array([3, 4, 8, 9, 12], np.int64)
    # 5-7: markers
    found.add(srcs, np.array([2, 3, 4, 8, 11], np.int64), srcs, np.ones(5, np.int64), {})
    assert found.hole(2, 9) is None
    assert found.hole(2, 12) == 11
    assert found.hole(0, 9) == 2
    assert found.hole(9, 9) is None
