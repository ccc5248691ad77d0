"""What is remembered of ids, against a plain computation: repeats at any distance, other bodies,
the cap, rows of before.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats import Repeats, Told, answers_of, of_answers
from riskstream.domain.risk.features.owned.repeats_kernel import (
    CONFLICT,
    DUPLICATE,
    GOOD,
    LIVE,
    MAX_IDS,
    REJECTED,
    REPLAY,
    SIZE,
)
from riskstream.domain.risk.features.owned.row_kernel import HEAD, ROW_VERSION
from riskstream.domain.risk.features.owned.table import KeyTable
from riskstream.domain.risk.features.standard import STANDARD

HOUR = 3_600_000
Event = tuple[int, int, str, int]
"""(slot, event time, id, body)."""


@dataclass
class Oracle:
    """Remembers each id with its body, its answer and the hour at which it came, as the words of
    docs/http.md say.
    """

    seen: dict[int, list[tuple[str, int, int, int]]] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)

    def tell(self, slot: int, at: int, name: str, body: int, answer: int) -> tuple[int, int]:
        mine = self.seen.setdefault(slot, [])
        for known, its_body, its_answer, _ in reversed(mine):
            if known == name:
                return (DUPLICATE, its_answer) if its_body == body else (REJECTED, 0)
        self.newest[slot] = max(self.newest.get(slot, -(10**15)), at // HOUR)
        kept = [each for each in mine if self.newest[slot] - each[3] <= 24]
        self.seen[slot] = [*kept, (name, body, answer, self.newest[slot])][-MAX_IDS:]
        return GOOD, answer


def _ids(names: list[str]) -> NDArray[np.uint64]:
    return np.array([hash(name) & (2**64 - 1) for name in names], np.uint64)


def _tell(
    repeats: Repeats, events: list[Event], first: int = 0
) -> tuple[Told, NDArray[np.uint8], NDArray[np.uint8]]:
    n = len(events)
    modes, verdicts = np.full(n, LIVE, np.uint8), np.zeros(n, np.uint8)
    batch = Events(
        slots=np.array([e[0] for e in events], np.int32),
        times=np.array([e[1] for e in events], np.int64),
        ids=_ids([e[2] for e in events]),
        bodies=np.array([e[3] for e in events], np.int64) << 40,
        offsets=np.arange(first, first + n),
        modes=modes,
        verdicts=verdicts,
    )
    told = repeats.tell(batch, np.full(8, -1, np.int64))
    return told, verdicts, modes


EVENT = st.tuples(
    st.integers(0, 3),
    st.integers(0, 80 * HOUR),
    st.integers(0, 40).map(str),
    st.sampled_from([1, 1, 1, 2]),
)


@settings(max_examples=300, deadline=None)
@given(
    events=st.lists(EVENT, min_size=1, max_size=120), cut=st.integers(1, 60), in_order=st.booleans()
)
def test_repeats_equal_a_plain_computation(events: list[Event], cut: int, in_order: bool) -> None:
    if in_order:
        events = sorted(events, key=lambda event: event[1])
    repeats, oracle = Repeats(4), Oracle()
    for start in range(0, len(events), cut):
        part = events[start : start + cut]
        told, verdicts, _ = _tell(repeats, part, start)
        answers = np.arange(start, start + len(part)) * 4 + 1
        repeats.answer(
            np.arange(len(part)), np.array([e[0] for e in part], np.int32), told, answers
        )
        for row, (slot, at, name, body) in enumerate(part):
            verdict, answer = oracle.tell(slot, at, name, body, int(answers[row]))
            assert verdicts[row] == verdict
            if verdict == DUPLICATE:
                prior = int(told.priors[row])
                assert (int(answers[-1 - prior]) if prior < 0 else prior) == answer
            assert (told.priors[row] == CONFLICT) == (verdict == REJECTED)


def test_a_repeat_is_told_after_thousands_of_other_payments_of_a_day() -> None:
    repeats = Repeats(1)
    others: list[Event] = [(0, n * HOUR // 500, f"other-{n}", 1) for n in range(12_000)]
    told, *_ = _tell(repeats, [(0, 0, "first", 1)])
    repeats.answer(np.zeros(1, np.int64), np.zeros(1, np.int32), told, np.array([77], np.int64))
    for start in range(0, len(others), 2048):
        _tell(repeats, others[start : start + 2048], start)
    told, verdicts, modes = _tell(repeats, [(0, 0, "first", 1), (0, 0, "first", 2)])
    assert (verdicts.tolist(), told.priors.tolist()) == ([DUPLICATE, REJECTED], [77, CONFLICT])
    assert told.conflicts.tolist() == [1]
    assert modes[0] == LIVE != modes[1]


@pytest.mark.parametrize(("others", "verdict"), [(MAX_IDS - 1, DUPLICATE), (MAX_IDS, GOOD)])
def test_past_the_cap_the_oldest_is_forgotten(others: int, verdict: int) -> None:
    repeats = Repeats(1)
    events: list[Event] = [(0, 0, "first", 1), *((0, n, f"other-{n}", 1) for n in range(others))]
    for start in range(0, len(events), 4096):
        _tell(repeats, events[start : start + 4096])
    assert repeats.heads[0, SIZE] == min(len(events), MAX_IDS)
    assert _tell(repeats, [(0, 0, "first", 1)])[1].tolist() == [verdict]


def test_a_late_payment_is_remembered_for_a_day_from_when_it_came() -> None:
    repeats = Repeats(1)
    _tell(
        repeats,
        [(0, 1000 * HOUR, "now", 1), (0, 10 * HOUR, "late", 1), (0, 1024 * HOUR, ("a day on"), 1)],
    )
    assert _tell(repeats, [(0, 10 * HOUR, "late", 1)])[1].tolist() == [DUPLICATE]
    _tell(repeats, [(0, 1025 * HOUR, "an hour more", 1)])
    assert _tell(repeats, [(0, 10 * HOUR, "late", 1)])[1].tolist() == [GOOD]


def test_answers_are_kept_to_the_bit() -> None:
    scores = np.array(
        [0, 1, 0.1, 0.25, np.nextafter(np.float32(1), np.float32(0)), np.nan, 3, -0.5], np.float32
    )
    decisions, found = of_answers(answers_of(np.array([1, 2, 3, 1, 2, 2, 3, 1]), scores))
    assert decisions.tolist() == [1, 2, 3, 1, 2, 2, 3, 1]
    np.testing.assert_array_equal(found, np.where((scores < 0) | (scores > 1.5), np.nan, scores))


def _one_slot(
    times: list[int], names: list[str], mode: int = LIVE, answers: Any = None
) -> KeyTable:
    table = KeyTable(STANDARD, slots=2)
    n = len(times)
    slots, _ = table.resolve(
        np.frombuffer(b"c", np.uint8),
        np.zeros(n, np.int64),
        np.ones(n, np.int32),
        np.zeros(n, np.int32),
        np.ones(n, np.uint8),
    )
    table.load(0, None)
    _apply(table, slots, times, names, mode, answers)
    return table


def _apply(
    table: KeyTable,
    slots: NDArray[np.int32],
    times: list[int],
    names: list[str],
    mode: int = LIVE,
    answers: Any = None,
) -> tuple[NDArray[np.uint8], Told]:
    n = len(times)
    verdicts, out = np.zeros(n, np.uint8), np.zeros((n, len(STANDARD.names)), np.float32)
    events = Events(
        slots=slots,
        times=np.array(times, np.int64),
        ids=_ids(names),
        offsets=np.arange(n) + 1000 * len(names),
        modes=np.full(n, mode, np.uint8),
        verdicts=verdicts,
        amounts=np.ones(n, np.int64),
        bodies=np.full(n, 5 << 40, np.int64),
        answers=np.zeros(n, np.int64) if answers is None else answers,
    )
    told = table.apply(events, out)
    return verdicts, told


@pytest.mark.parametrize("ids", [3, 16, 17, 40])
def test_a_row_of_before_is_read_and_its_sixteen_ids_are_told_without_an_answer(ids: int) -> None:
    names = [f"n{each}" for each in range(ids)]
    count = ids if ids < 32 else 16 + ids % 16
    ring = [0] * min(count, 16)
    for place, name in enumerate(names):
        ring[(place if ids < 32 else place % 16) % 16] = struct.unpack(
            "<q", _ids([name]).tobytes()
        )[0]
    row = np.array(
        [STANDARD.version, 7, 90 * HOUR, 1, count, 0, 90 * HOUR, 500, *ring], np.int64
    ).tobytes()
    table = KeyTable(STANDARD, slots=2)
    slots = np.zeros(1, np.int32)
    table.resolve(
        np.frombuffer(b"c", np.uint8),
        np.zeros(1, np.int64),
        np.ones(1, np.int32),
        np.zeros(1, np.int32),
        np.ones(1, np.uint8),
    )
    assert table.load(0, row)
    kept = names[-16:]
    for name in kept:
        verdicts, told = _apply(table, slots, [90 * HOUR], [name])
        assert (verdicts[0], told.priors[0]) == (DUPLICATE, 0)
    assert np.frombuffer(table.pack(slots)[0], np.int64)[0] == STANDARD.version + ROW_VERSION
    verdicts, _ = _apply(table, slots, [90 * HOUR], ["fresh"])
    assert verdicts[0] == GOOD
    ids_now = np.frombuffer(table.pack(slots)[0], np.int64)[HEAD + 4 :: 2].tolist()
    assert ids_now == [struct.unpack("<q", _ids([name]).tobytes())[0] for name in [*kept, "fresh"]]


def test_what_a_replayed_payment_was_answered_is_told_to_its_repeat_after_the_row_was_stored() -> (
    None
):
    table = _one_slot([HOUR, 2 * HOUR], ["a", "b"], REPLAY, np.array([41, 42], np.int64))
    row = table.pack(np.zeros(1, np.int32))[0]
    again = KeyTable(STANDARD, slots=2)
    again.resolve(
        np.frombuffer(b"c", np.uint8),
        np.zeros(1, np.int64),
        np.ones(1, np.int32),
        np.zeros(1, np.int32),
        np.ones(1, np.uint8),
    )
    assert again.load(0, row)
    verdicts, told = _apply(again, np.zeros(2, np.int32), [HOUR, 2 * HOUR], ["a", "b"])
    assert (verdicts.tolist(), told.priors.tolist()) == ([DUPLICATE] * 2, [41, 42])
    assert again.pack(np.zeros(1, np.int32))[0][16:] == row[16:]


def test_the_rings_of_the_keys_that_stay_survive_a_dropped_partition() -> None:
    table = KeyTable(STANDARD, slots=4)
    keys = b"abcd"
    table.resolve(
        np.frombuffer(keys, np.uint8),
        np.arange(4),
        np.ones(4, np.int32),
        np.array([0, 1, 0, 1], np.int32),
        np.ones(4, np.uint8),
    )
    for slot in range(4):
        table.load(slot, None)
    for slot in range(4):
        names = [f"{slot}-{n}" for n in range(50 * (slot + 1))]
        _apply(table, np.full(len(names), slot, np.int32), [HOUR] * len(names), names)
    table.drop(0)
    for slot, before in enumerate([1, 3]):
        names = [f"{before}-{n}" for n in range(50 * (before + 1))]
        verdicts, _ = _apply(table, np.full(len(names), slot, np.int32), [HOUR] * len(names), names)
        assert set(verdicts.tolist()) == {DUPLICATE}
