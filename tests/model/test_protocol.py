"""The protocol holds in every interleaving, and each of its store rules is needed."""

import pytest
from tests.model.protocol import Protocol, Rule


def test_two_records_two_owners_and_a_failover_are_walked_whole() -> None:
    result = Protocol((0, 1)).walk()
    assert result.broken == "", result.schedule
    assert result.states > 200_000


def test_three_records_without_a_failover_are_walked_whole() -> None:
    result = Protocol((0, 1, 0), fails_over=False).walk()
    assert result.broken == "", result.schedule
    assert result.states > 80_000


def test_an_exception_between_row_and_output_changes_nothing() -> None:
    result = Protocol((0, 0), fails_over=False, raises=True).walk()
    assert result.broken == "", result.schedule
    assert result.states > 2_000


def test_a_checkpoint_after_an_exception_breaks_it() -> None:
    rule = Rule.NOTHING_AFTER
    result = Protocol((0, 0), frozenset({rule}), fails_over=False, raises=True).walk()
    assert "the store is ahead of the output" in result.broken, (
        f"{result.states} states hold without: {rule.value}"
    )
    assert "raise and checkpoint" in " ".join(result.schedule)


@pytest.mark.parametrize(
    ("keys", "with_a_snapshot"),
    [((0, 1), False), ((0, 0), True)],
    ids=["from what is left", "with a snapshot, and all answers gone"],
)
def test_a_lost_store_is_gone_on_with_beside_a_zombie(
    keys: tuple[int, ...], with_a_snapshot: bool
) -> None:
    result = Protocol(
        keys,
        fails_over=False,
        loses_before=1,
        has_snapshots=with_a_snapshot,
        forgets=with_a_snapshot,
    ).walk()
    assert result.broken == "", result.schedule
    assert result.states > 20_000


def test_a_lost_field_and_then_a_lost_store_are_built_again_whole() -> None:
    result = Protocol((0, 1), loses_a_field=True).walk()
    assert result.broken == "", result.schedule
    assert result.states > 400_000


def test_rows_without_a_watermark_break_it() -> None:
    rule = Rule.MARKED
    result = Protocol((0, 1), frozenset({rule}), loses_a_field=True).walk()
    assert "store: key 0 misses records" in result.broken, (
        f"{result.states} states hold without: {rule.value}"
    )
    assert "lose the last row" in result.schedule


LOST = (Rule.OTHER_READ, Rule.OTHER_WRITE, Rule.FLAG, Rule.ROWS_TO, Rule.JOINS)
STORE = (
    Rule.COMPARE,
    Rule.HIGH,
    Rule.REFUSE_WRITE,
    Rule.REFUSE_READ,
    Rule.ROW_AT,
    Rule.ACKED,
    Rule.EVICT_CLEAN,
)


def test_each_rule_is_taken_away_by_a_test() -> None:
    assert {*LOST, *STORE, Rule.NOTHING_AFTER, Rule.MARKED} == set(Rule)


@pytest.mark.parametrize(
    ("rule", "keys", "breaks"),
    [
        (Rule.OTHER_READ, (0, 0), "features of accepted 1"),
        (Rule.OTHER_WRITE, (0, 1), "store: key 0 misses records"),
        (Rule.FLAG, (0, 0), "features of accepted 1"),
        (Rule.ROWS_TO, (0, 0), "the store is ahead of the output"),
        (Rule.JOINS, (0, 0, 0), "features of accepted 2"),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_without_a_rule_of_the_lost_store_a_schedule_breaks_it(
    rule: Rule, keys: tuple[int, ...], breaks: str
) -> None:
    assert rule in LOST
    needs_snapshots = rule in (Rule.ROWS_TO, Rule.JOINS)
    result = Protocol(
        keys,
        frozenset({rule}),
        fails_over=False,
        loses_before=len(keys) - 1,
        has_snapshots=needs_snapshots,
        forgets=rule is Rule.ROWS_TO,
    ).walk()
    assert breaks in result.broken, f"{result.states} states hold without: {rule.value}"
    assert "lose" in result.schedule


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        (Rule.COMPARE, (0, 1)),
        (Rule.HIGH, (0, 1)),
        (Rule.REFUSE_WRITE, (0, 1)),
        (Rule.REFUSE_READ, (0, 0, 0)),
        (Rule.ROW_AT, (0, 1, 0)),
        (Rule.ACKED, (0, 1)),
        (Rule.EVICT_CLEAN, (0, 1)),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_without_a_rule_a_schedule_breaks_it(rule: Rule, keys: tuple[int, ...]) -> None:
    assert rule in STORE
    result = Protocol(keys, frozenset({rule})).walk()
    assert result.broken, f"{result.states} states hold without the rule: {rule.value}"
    assert result.schedule
