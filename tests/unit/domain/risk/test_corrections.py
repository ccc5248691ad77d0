"""Corrections take the place of what they name: windows and what leaves them against a naive
computation over lists.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stream import Stream, hash_of

from riskstream.domain.risk.features.declare import SPENDING, Kind
from riskstream.domain.risk.features.owned.corrections_kernel import (
    NO_SLOT,
    take_out_kernel,
    unfold_kernel,
)
from riskstream.domain.risk.features.owned.kernel import RING_CAP, TILES
from riskstream.domain.risk.features.owned.repeats_kernel import (
    DUPLICATE,
    GOOD,
    MARKS,
    MAX_IDS,
    REPLAY,
)
from riskstream.domain.risk.features.owned.row_kernel import ROW_VERSION, TAGGED_VERSION
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.runtime.durations import DAY_MS, HOUR_MS

WINDOWS = STANDARD.windows_ms
BASE = len(STANDARD.inputs)


@dataclass
class Event:
    at: int
    amount: int
    name: str
    kind: Kind
    corrects: str | None
    serial: int = 0


@dataclass
class Customer:
    """`standing`: by the id of each corrected transaction the one that stands in its place, and the
    hour at which it was said.
    """

    events: list[Event] = field(default_factory=list)
    came: dict[str, int] = field(default_factory=dict)
    standing: dict[str, tuple[int, str]] = field(default_factory=dict)
    newest: int = -(10**15)


@dataclass
class Oracle:
    """Lists and dictionaries, as docs/http.md and ADR 0013 say it."""

    customers: dict[str, Customer] = field(default_factory=dict)
    serial: int = 0

    def apply(self, key: str, event: Event) -> tuple[int, list[float], Event | None, bool, bool]:
        """(verdict, counts, sums and seconds since the last, what leaves, whether itself does,
        whether the original is unknown).
        """
        mine = self.customers.setdefault(key, Customer())
        self.serial += 1
        event.serial = self.serial
        if event.name in mine.came:
            same = [
                each for each in mine.events if (each.at, each.amount) == (event.at, event.amount)
            ]
            own = max(same, key=lambda each: (each.at, each.serial)) if same else event
            return DUPLICATE, self._features(mine, own, event), None, False, False
        mine.newest = max(mine.newest, event.at)
        hour = mine.newest // HOUR_MS
        mine.came = {name: at for name, at in mine.came.items() if hour - at <= 24}
        mine.standing = {name: said for name, said in mine.standing.items() if hour - said[0] <= 24}
        later = mine.standing.get(event.name, (0, None))[1]
        left = None
        if event.corrects is not None and later is None:
            since, stands = mine.standing.get(event.corrects, (hour, event.corrects))
            for name, said in mine.standing.items():
                if said[1] == stands:
                    mine.standing[name] = (said[0], event.name)
            mine.standing[event.corrects] = (since, event.name)
            left = self._take_out(mine, stands)
        unknown = event.corrects is not None and left is None
        mine.came[event.name] = hour
        mine.events = [
            each for each in [*mine.events, event] if each.at > mine.newest - WINDOWS[-1]
        ]
        features = self._features(mine, event, event)
        if later is not None:
            self._take_out(mine, event.name)
        return GOOD, features, left, later is not None, unknown

    def _take_out(self, mine: Customer, name: str) -> Event | None:
        found = [each for each in mine.events if each.name == name]
        if not found:
            return None
        gone = max(found, key=lambda each: (each.at, each.serial))
        mine.events.remove(gone)
        return gone

    def _features(self, mine: Customer, own: Event, said: Event) -> list[float]:
        inside = [each for each in mine.events if each.at <= said.at]
        if not any(each is own for each in mine.events):
            inside.append(own)
        counts, sums = [], []
        for window in WINDOWS:
            amounts = [
                each.amount
                for each in inside
                if each.at > said.at - window and each.kind in SPENDING
            ]
            counts.append(float(len(amounts)))
            sums.append(float(sum(amounts)))
        before = [
            e
            for e in inside
            if e is not own
            and (e.at, e.serial) < (own.at, own.serial if own in mine.events else 1 << 60)
        ]
        last = max(before, key=lambda each: (each.at, each.serial), default=None)
        return [*counts, *sums, float("nan") if last is None else (said.at - last.at) / 1000]


NAMES = st.integers(0, 14).map(str)
EVENT = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 40 * DAY_MS // 1000),
    st.integers(1, 10**6),
    NAMES,
    st.sampled_from([Kind.PURCHASE, Kind.PURCHASE, Kind.TRANSFER, Kind.REFUND]),
    st.one_of(st.none(), NAMES),
)
COLUMNS = [
    *range(BASE, BASE + 2 * len(WINDOWS)),
    STANDARD.names.index("customer_seconds_since_last"),
]


def _feed(
    stream: Stream, events: list[tuple[str, Event]], mode: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    return stream.apply(
        [(key, e.at, e.amount, e.name) for key, e in events],
        mode=mode,
        kinds=[e.kind for _, e in events],
        corrects=[e.corrects for _, e in events],
    )


@settings(max_examples=400, deadline=None)
@given(
    raw=st.lists(EVENT, min_size=1, max_size=60),
    cut=st.integers(1, 30),
    spread=st.sampled_from([1, 60, 1000]),
    in_order=st.booleans(),
    moved_at=st.integers(0, 5),
)
def test_windows_and_what_leaves_them_equal_a_naive_computation(
    raw: list[tuple[str, int, int, str, Kind, str | None]],
    cut: int,
    spread: int,
    *,
    in_order: bool,
    moved_at: int,
) -> None:
    events = [
        (
            key,
            Event(
                at=1_700_000_000_000 + at * spread,
                amount=amount,
                name=name,
                kind=kind,
                corrects=corrects,
            ),
        )
        for key, at, amount, name, kind, corrects in raw
        if name != corrects
    ]
    if in_order:
        events.sort(key=lambda each: each[1].at)
    stream, oracle = Stream(STANDARD), Oracle()
    for start in range(0, len(events), cut):
        part = events[start : start + cut]
        verdicts, out = _feed(stream, part)
        found = stream.told.corrected
        left = (
            {}
            if found is None
            else dict(zip(found.rows.tolist(), range(len(found.rows)), strict=True))
        )
        for row, (key, event) in enumerate(part):
            verdict, expected, leaves, is_late, is_unknown = oracle.apply(key, event)
            assert verdicts[row] == verdict
            np.testing.assert_array_equal(out[row, COLUMNS], np.array(expected, np.float32))
            assert (row in left) == (leaves is not None)
            if leaves is not None and found is not None:
                at = left[row]
                said = (found.times[at], found.amounts[at], found.are_refunds[at])
                assert said == (leaves.at, leaves.amount, leaves.kind == Kind.REFUND)
            assert (found is not None and row in found.late) == is_late
            assert (found is not None and row in found.unknown) == is_unknown
        if start == moved_at * cut:
            stream = stream.packed_and_loaded()


@settings(max_examples=100, deadline=None)
@given(raw=st.lists(EVENT, min_size=1, max_size=60), at=st.integers(0, 60), cut=st.integers(1, 30))
def test_replaying_what_was_recorded_gives_the_same_rows(
    raw: list[tuple[str, int, int, str, Kind, str | None]], at: int, cut: int
) -> None:
    events = [
        (
            key,
            Event(
                at=1_700_000_000_000 + at * 60,
                amount=amount,
                name=name,
                kind=kind,
                corrects=corrects,
            ),
        )
        for key, at, amount, name, kind, corrects in raw
        if name != corrects
    ]
    live = Stream(STANDARD)
    modes = []
    for start in range(0, len(events), cut):
        verdicts, _ = _feed(live, events[start : start + cut])
        modes += [REPLAY if each == GOOD else 3 for each in verdicts.tolist()]
    replayed = Stream(STANDARD)
    # one at a time, each by its recorded verdict, some of them twice
    for number, each in enumerate(events):
        _feed(replayed, [each], modes[number])
        if number % 7 == at % 7:
            replayed.offset -= 1
            _feed(replayed, [each], modes[number])
    assert _rows(live) == _rows(replayed)


def _rows(stream: Stream) -> dict[bytes, bytes]:
    slots = stream.table.changed_slots(0)
    return dict(zip(map(stream.table.key, slots.tolist()), stream.table.pack(slots), strict=True))


def _event(
    minute: int, amount: int, name: str, corrects: str | None = None, kind: Kind = Kind.PURCHASE
) -> tuple[str, Event]:
    return "a", Event(
        at=1_700_000_000_000 + minute * 60_000,
        amount=amount,
        name=name,
        kind=kind,
        corrects=corrects,
    )


def _counts(stream: Stream, events: list[tuple[str, Event]]) -> list[tuple[float, float]]:
    """(count, sum) of 30 days of each."""
    _, out = _feed(stream, events)
    wide = len(WINDOWS)
    return [(row[BASE + wide - 1], row[BASE + 2 * wide - 1]) for row in out.tolist()]


def test_a_correction_of_a_correction_takes_the_place_of_both() -> None:
    stream = Stream(STANDARD)
    events = [
        _event(0, 100, "x"),
        _event(1, 90, "c1", "x"),
        _event(2, 80, "c2", "c1"),
        _event(3, 70, "c3", "x"),
        _event(4, 1, "n"),
    ]
    assert _counts(stream, events) == [(1, 100), (1, 90), (1, 80), (1, 70), (2, 71)]


def test_an_original_that_comes_after_its_correction_counts_for_itself_alone() -> None:
    stream = Stream(STANDARD)
    assert _counts(stream, [_event(5, 90, "c", "x"), _event(0, 100, "x"), _event(6, 1, "n")]) == [
        (1, 90),
        (1, 100),
        (2, 91),
    ]
    assert stream.told.corrected is not None
    assert (stream.told.corrected.unknown.tolist(), stream.told.corrected.late.tolist()) == (
        [0],
        [1],
    )


def test_one_that_was_corrected_before_it_came_takes_nobodys_place() -> None:
    stream = Stream(STANDARD)
    assert _counts(
        stream,
        [_event(0, 1, "x"), _event(2, 90, "c2", "c"), _event(1, 80, "c", "x"), _event(3, 5, "n")],
    )[-1] == (3, 96)
    assert stream.told.corrected is not None
    assert (stream.told.corrected.unknown.tolist(), stream.told.corrected.late.tolist()) == (
        [1, 2],
        [2],
    )
    assert _counts(
        Stream(STANDARD), [_event(0, 90, "b", "a"), _event(1, 100, "a", "b"), _event(2, 1, "n")]
    )[-1] == (
        2,
        91,
    )


def test_the_newest_may_leave_and_the_windows_stand_at_the_later_time() -> None:
    stream = Stream(STANDARD)
    day = 24 * 60
    events = [
        _event(0, 5, "o"),
        _event(31 * day, 100, "x"),
        _event(30 * day - 1, 90, "c", "x"),
        _event(30 * day, 1, "n"),
    ]
    assert _counts(stream, events)[-1] == (2, 91)


def test_what_was_folded_into_tiles_cannot_leave() -> None:
    stream = Stream(STANDARD)
    _feed(stream, [_event(index, 10, f"t{index}") for index in range(RING_CAP + 10)])
    _feed(stream, [_event(1000, 10, "old", "t0"), _event(1001, 10, "new", f"t{RING_CAP + 9}")])
    assert stream.told.corrected is not None
    assert (stream.told.corrected.unknown.tolist(), stream.told.corrected.rows.tolist()) == (
        [0],
        [1],
    )


@pytest.mark.parametrize("kind", [Kind.PURCHASE, Kind.REFUND])
@pytest.mark.parametrize("minute", [500, 1000, 1100, -31 * 24 * 60])
def test_a_late_original_leaves_a_key_of_more_than_its_ring_holds(minute: int, kind: Kind) -> None:
    with_late, without = Stream(STANDARD), Stream(STANDARD)
    for stream in (with_late, without):
        _feed(stream, [_event(1000 + index, 10, f"t{index}") for index in range(RING_CAP)])
        _feed(stream, [_event(2000, 10, "c", "x")])
    _feed(with_late, [_event(minute, 7000, "x", kind=kind)])
    assert with_late.told.corrected is not None
    assert with_late.told.corrected.late.tolist() == [0]
    assert (
        _counts(with_late, [_event(2001, 10, "n")])
        == _counts(without, [_event(2001, 10, "n")])
        == [(258, 2580)]
    )
    again = with_late.packed_and_loaded()
    assert _counts(again, [_event(2002, 10, "m")]) == [(259, 2590)]


def test_tiles_count_a_correction_beside_its_original_and_leave_out_one_that_comes_late() -> None:
    stream = Stream(STANDARD_TILES)
    assert _counts(stream, [_event(0, 100, "x"), _event(1, 90, "c", "x")])[-1] == (2, 190)
    assert stream.told.corrected is not None
    assert stream.told.corrected.unknown.tolist() == [1]
    assert _counts(stream, [_event(2, 50, "d", "y"), _event(3, 60, "y"), _event(4, 1, "n")])[
        -1
    ] == (4, 241)


def test_past_the_cap_marks_are_forgotten_as_ids_are() -> None:
    stream = Stream(STANDARD)
    _feed(stream, [_event(0, 1, "c", "x")])
    assert stream.table.repeats.heads[0, MARKS] == 1
    for start in range(0, MAX_IDS, 2048):
        _feed(stream, [_event(0, 1, f"t{start + index}") for index in range(2048)])
    assert stream.table.repeats.heads[0, MARKS] == 0


def test_events_of_a_row_of_before_are_found_by_no_correction() -> None:
    stream = Stream(STANDARD)
    _feed(stream, [_event(0, 100, "x"), _event(1, 7, "r", kind=Kind.REFUND)])
    row = np.frombuffer(_rows(stream)[b"a"], np.int64).copy()
    row[0] += TAGGED_VERSION - ROW_VERSION
    again = Stream(STANDARD)
    _feed(again, [("b", _event(0, 1, "z")[1])])
    slots, _ = again.table.resolve(
        np.frombuffer(b"a", np.uint8),
        np.zeros(1, np.int64),
        np.ones(1, np.int32),
        np.zeros(1, np.int32),
        np.ones(1, np.uint8),
    )
    assert again.table.load(int(slots[0]), row.tobytes())
    again.offset = stream.offset
    assert _counts(again, [_event(2, 90, "c", "x")]) == [(2, 190)]
    assert again.told.corrected is not None
    assert again.told.corrected.unknown.tolist() == [0]


@pytest.mark.parametrize("slot", [-1, 1 << 20])
def test_a_slot_that_is_not_there_is_refused(slot: int) -> None:
    stream = Stream(STANDARD)
    _feed(stream, [_event(0, 100, "x")])
    table = stream.table
    before = table.ring.copy()
    held = (table.offs, table.caps, table.firsts, table.sizes, table.lefts, table.sums, table.ring)
    assert take_out_kernel(slot, 5, *held, np.zeros(3, np.int64)) == NO_SLOT
    assert take_out_kernel(0, 5, *held, np.zeros(2, np.int64)) == NO_SLOT
    assert (
        take_out_kernel(0, 5, *held[:-1], table.ring[:0].copy(), np.zeros(3, np.int64)) == NO_SLOT
    )
    np.testing.assert_array_equal(before, table.ring)
    tiles = tuple(np.zeros((1, len(WINDOWS), TILES), np.int64) for _ in range(3))
    assert not unfold_kernel(slot, 5, 7, table.windows, *tiles)
    assert not unfold_kernel(0, 5, 7, table.windows, *(each[:, :1].copy() for each in tiles))
    assert not any(each.any() for each in tiles)
    assert hash_of("x") > 0
