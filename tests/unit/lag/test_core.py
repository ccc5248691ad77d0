"""From offsets to lag: what is not done, what is old enough to ask its age, and what is shown."""

from riskstream.lag.core import long_undone, rows, undone


def test_a_group_that_never_committed_is_behind_by_all_that_the_topic_holds() -> None:
    assert undone({}, "t.v1", [5, 0], [12, 0]) == {("t.v1", 0): (5, 7), ("t.v1", 1): (0, 0)}


def test_an_offset_below_the_topics_head_counts_from_the_head() -> None:
    assert undone({("t.v1", 0): 3}, "t.v1", [5], [12]) == {("t.v1", 0): (5, 7)}


def test_an_offset_past_the_end_is_not_behind() -> None:
    assert undone({("t.v1", 0): 20}, "t.v1", [0], [12]) == {("t.v1", 0): (20, 0)}


def test_the_age_of_what_came_since_the_last_round_is_not_asked() -> None:
    behind = {("t.v1", 0): (10, 5), ("t.v1", 1): (8, 7), ("t.v1", 2): (15, 0)}
    assert long_undone(behind, {("t.v1", 0): 10, ("t.v1", 1): 10, ("t.v1", 2): 10}) == {
        ("t.v1", 1): 8
    }


def test_in_the_first_round_the_age_of_all_that_is_behind_is_asked() -> None:
    assert long_undone({("t.v1", 0): (10, 5), ("t.v1", 1): (8, 0)}, {}) == {("t.v1", 0): 10}


def test_an_age_that_did_not_come_in_time_is_unknown_and_not_zero() -> None:
    behind = {("t.v1", 0): (10, 5), ("t.v1", 1): (8, 7), ("t.v1", 2): (1, 1)}
    found = rows("scorer", behind, {("t.v1", 0): 3.5}, [("t.v1", 0), ("t.v1", 1)])
    assert [(each.partition, each.events, each.seconds) for each in found] == [
        (0, 5, 3.5),
        (1, 7, None),
        (2, 1, 0.0),
    ]
