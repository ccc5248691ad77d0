"""Tiles in arrays give the reports and the rows of the oracle that keeps them in dicts, whatever
stands in customer-risk.v1.
"""

import random
from typing import Any

import pytest
from tests.support.builders import NOW_MS
from tests.support.customer_state import FIELDS
from tests.support.snapshots import Pair, PlainStates, frame_of, records_of, rows_of

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.writers import Schema, SchemaWait, Unknown, use
from riskstream.domain.risk.customers.state_columns import STATE
from riskstream.reporter import sums, write
from riskstream.reporter.core import WIDTH_MS, Control, Snapshot, report
from riskstream.reporter.states import States
from riskstream.runtime.durations import DAY_MS, HOUR_MS

NAMES = ("c-1", "c-10", "b", "", "b\0", "ü" * 9, "c" * 200, "(erased)", "\ufffd")
SAME = ("as_of", "customers", "totals", "whole_from", "position", "windows", "top_customers")


class _History:
    """What a tracker might write of some customers, and what else may stand there."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = [*NAMES, *(f"n-{number}" for number in range(self._random.choice([0, 40])))]
        self._hours = self._random.choice([3, 60, 300])
        self._src = 0

    def records(self) -> list[Pair]:
        return [self._record() for _ in range(self._random.randrange(30))]

    def _record(self) -> Pair:
        chance, name = self._random, self._random.choice(self._names)
        kind = chance.random()
        if kind < 0.08:
            return chance.choice([name.encode(), b"\xff", None]), None
        state = self._state(name)
        if kind < 0.12:  # under another key, of another partition or currency, of too many tiles
            odd: dict[str, Any] = chance.choice(
                [
                    {"src_partition": 1 + state["src_partition"]},
                    {"base_currency": "USD"},
                    {"hourly": [self._tile(hour * HOUR_MS) for hour in range(49)]},
                ]
            )
            return frame_of({**state, **odd})
        key, value = frame_of(state)
        if kind < 0.14:
            return chance.choice([b"other", None]), value
        if kind < 0.17 and value:
            return key, chance.choice([b"", value[:-1], value + b"\0", b"\1" + value[1:]])
        return key, value

    def _state(self, name: str) -> dict[str, Any]:
        chance = self._random
        self._src += chance.randrange(3)
        lacks = NOW_MS + HOUR_MS * chance.randrange(self._hours) if chance.random() < 0.02 else 0
        return {
            "customer_id": name,
            "src_partition": self.partition,
            "src": self._src,
            "updated_at": NOW_MS + self._src,
            "last_score": 0.5,
            "last_decision": "REVIEW",
            "last_occurred_at": NOW_MS + chance.randrange(self._hours) * HOUR_MS,
            "base_currency": "EUR",
            "hourly": self._tiles(HOUR_MS, 48),
            "daily": self._tiles(DAY_MS, 35),
            "position": self._src + chance.randrange(-2, 2),
            "score_offset": 0,
            "whole_from": lacks if chance.random() < 0.3 else 0,
            "ends_flush": chance.random() < 0.7,
            "hourly_lacks_before": lacks,
            "daily_lacks_before": lacks // 2,
        }

    def _tiles(self, width: int, kept: int) -> list[dict[str, int]]:
        chance = self._random
        first = NOW_MS // DAY_MS * DAY_MS
        count = min(chance.choice([0, 1, 2, 5, kept]), self._hours)
        starts = sorted(chance.sample(range(max(self._hours, count)), count))
        if chance.random() < 0.03:  # in no order, twice, and at no whole hour
            starts = [chance.randrange(9) for _ in starts]
            first += chance.randrange(2)
        return [self._tile(first + each * width) for each in starts]

    def _tile(self, start: int) -> dict[str, int]:
        most = self._random.choice([1, 3, 10**12])
        return {
            "start_at": start,
            **{name: self._random.randrange(most + 1) for name in FIELDS},
        }

    partition = 0


def _both(seed: int) -> None:
    chance = random.Random(seed)
    snapshot, plain, histories = Snapshot(), PlainStates("EUR"), _History(seed)
    taken = States(snapshot, "EUR")
    for _ in range(chance.randrange(1, 12)):
        histories.partition = chance.choice([0, 0, 3])
        pairs = histories.records()
        if chance.random() < 0.2:  # as compaction leaves them
            pairs = list({key: (key, value) for key, value in pairs}.values())
        unread = taken.take(records_of(histories.partition, pairs))
        assert unread == plain.take(histories.partition, pairs)
        if chance.random() < 0.1:
            before = NOW_MS + chance.randrange(-5, 60) * HOUR_MS
            snapshot.tiles.forget(before)
            plain.forget(before)
        if chance.random() < 0.5:
            _same(snapshot, plain, chance)
    _same(snapshot, plain, chance)


def _same(snapshot: Snapshot, plain: PlainStates, chance: random.Random) -> None:
    control, grace_ms = Control(), chance.choice([0, 7 * HOUR_MS])
    for grain in WIDTH_MS:
        so_far = chance.random() < 0.7
        found = report(grain, snapshot, control, grace_ms=grace_ms, so_far=so_far)
        expected = plain.report(grain, control, grace_ms=grace_ms, so_far=so_far)
        if found is None or expected is None:
            assert found == expected
            continue
        for each in found["windows"]:
            del each["is_reconciled"]
        assert {name: found[name] for name in SAME} == expected
        starts = [each["start_at"] for each in found["windows"]]
        assert rows_of(grain, snapshot, starts) == plain.rows(grain, starts)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_any_history_gives_what_the_oracle_gives(first: int) -> None:
    for seed in range(first, first + 50):
        _both(seed)


def test_a_part_ends_before_a_customer_who_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 4 tiles: one customer has more of them in two partitions."""
    monkeypatch.setattr(sums, "_AT_ONCE", 4)
    monkeypatch.setattr(write, "_AT_ONCE", 4)
    for seed in range(400, 420):
        _both(seed)


class _Known:
    """Says of a schema that it is being asked for, then what it is."""

    def __init__(self, asked: int) -> None:
        self._asked = asked

    def find(self, schema_id: int) -> Schema | Unknown | None:
        self._asked -= 1
        return contract(STATE).schema if schema_id in _ELSEWHERE and self._asked < 0 else None


_ELSEWHERE = (77, 78)
"""Ids of schemas that are not bundled; a codec keeps what it found."""


def _elsewhere(schema_id: int) -> tuple[dict[str, Any], Pair]:
    """A state, and its record as another writer's."""
    state = _History(1)._state("c-1") | {"ends_flush": True}
    key, value = frame_of(state)
    assert value is not None
    return state, (key, b"\0" + schema_id.to_bytes(4, "big") + value[5:])


def test_a_state_whose_schema_becomes_known_meanwhile_is_read() -> None:
    state, pair = _elsewhere(_ELSEWHERE[0])
    snapshot = Snapshot()
    try:
        use(_Known(1))
        assert not States(snapshot, "EUR").take(records_of(0, [pair, (b"c-2", None)]))
    finally:
        use(None)
    assert snapshot.position == {0: max(state["src"], state["position"])}


def test_a_state_whose_schema_is_being_asked_for_ends_the_round() -> None:
    snapshot, (_, pair) = Snapshot(), _elsewhere(_ELSEWHERE[1])
    try:
        use(_Known(9))
        with pytest.raises(SchemaWait):
            States(snapshot, "EUR").take(records_of(0, [pair]))
    finally:
        use(None)
    assert not snapshot.position
