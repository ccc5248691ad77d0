"""Which vector of a profile a transaction gets, and what it is flagged with."""

import numpy as np
import pytest
from tests.support.builders import NOW_MS, frame

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.profiles.vector import ProfileVector
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.scorer.profile_join import AHEAD, MISSING, STALE, ProfileJoin

WIDE = len(STANDARD_PROFILES.profiles[TERMINAL])
FIRST = STANDARD_PROFILES.names.index("terminal_count_1d")
CLOSED = NOW_MS // HOUR_MS * HOUR_MS


class Held:
    """A view with one terminal; every clock is the same."""

    def __init__(self, closed: tuple[int, int], clock: int | None) -> None:
        self.clock = clock
        self.vector = ProfileVector(
            entity=TERMINAL,
            key=b"term-1",
            partition=2,
            as_of=np.array([9, 5]),
            closed=np.array(closed),
            vectors=np.stack([np.full(WIDE, 1, np.float32), np.full(WIDE, 2, np.float32)]),
            feature_set="",
        )
        self.asked: list[bytes] = []

    def read(self, keys: list[bytes]) -> list[bytes | None] | None:
        self.asked += keys
        clock = None if self.clock is None else str(self.clock).encode()
        return [
            clock if b"#" in key else self.vector.packed() if key == b":terminal:term-1" else None
            for key in keys
        ]


class Away:
    def read(self, keys: list[bytes]) -> None:  # noqa: ARG002  the port's
        return None


def _joined(
    reader: Held | Away, *frames: bytes
) -> tuple[np.ndarray, np.ndarray, dict[str, list[int]]]:
    columns = ColumnDecoder("transaction.v1").decode(frames)
    vectors = np.zeros((len(frames), len(STANDARD_PROFILES.names)), np.float32)
    places = np.zeros((len(frames), 6), np.int64)
    profiles, all_of_them = ProfileJoin(STANDARD_PROFILES), np.ones(len(frames), np.bool_)
    wanted = profiles.wanted(columns, np.arange(len(frames)), 4)
    flags = profiles.join(
        wanted,
        reader.read(wanted.keys),
        all_of_them,
        columns.numbers("occurred_at"),
        vectors,
        places,
    )
    return vectors[:, FIRST], places[:, :3], {flag: rows.tolist() for flag, rows in flags.items()}


@pytest.mark.parametrize(
    ("closed", "clock", "value", "place", "flags"),
    [
        ((CLOSED, CLOSED - HOUR_MS), CLOSED, 1, [2, 9, CLOSED], {}),
        ((CLOSED - 9 * HOUR_MS, -1), CLOSED, 1, [2, 9, CLOSED - 9 * HOUR_MS], {}),
        ((CLOSED + HOUR_MS, CLOSED), CLOSED + HOUR_MS, 2, [2, 5, CLOSED], {}),
        ((CLOSED + HOUR_MS, -1), CLOSED + HOUR_MS, 0, [-1, -1, -1], {}),
        (
            (CLOSED + 2 * HOUR_MS, CLOSED + HOUR_MS),
            CLOSED + 2 * HOUR_MS,
            2,
            [2, 5, CLOSED + HOUR_MS],
            {AHEAD: [0]},
        ),
        ((CLOSED - HOUR_MS, -1), CLOSED - HOUR_MS, 1, [2, 9, CLOSED - HOUR_MS], {STALE: [0]}),
        ((CLOSED - 2 * DAY_MS, -1), CLOSED - 2 * DAY_MS, np.nan, [-1, -1, -1], {STALE: [0]}),
        ((CLOSED, -1), None, np.nan, [-1, -1, -1], {MISSING: [0]}),
    ],
)
def test_a_row_gets_the_newest_vector_that_it_may_know(
    closed: tuple[int, int],
    clock: int | None,
    value: float,
    place: list[int],
    flags: dict[str, list[int]],
) -> None:
    values, places, found = _joined(Held(closed, clock), frame(device_id=None))
    np.testing.assert_array_equal(values, [value])
    assert places.tolist() == [place]
    assert found == flags


def test_a_terminal_never_seen_has_the_vector_of_nothing_and_a_row_without_one_has_none() -> None:
    values, places, flags = _joined(
        Held((CLOSED, -1), CLOSED),
        frame(terminal_id="other", device_id=None),
        frame(terminal_id=None, device_id=None),
    )
    np.testing.assert_array_equal(values, [0, np.nan])
    assert places.tolist() == [[-1, -1, -1]] * 2
    assert flags == {}


def test_a_key_is_asked_once_a_batch() -> None:
    held = Held((CLOSED, -1), CLOSED)
    _joined(held, *[frame(device_id="d-1")] * 5)
    assert sorted(held.asked)[2:] == [b":device:d-1", b":terminal:term-1"]
    assert len(held.asked) == 4


def test_where_the_view_does_not_answer_the_columns_are_missing_and_it_is_said() -> None:
    values, _, flags = _joined(Away(), frame(), frame(terminal_id=None, device_id=None))
    assert np.isnan(values).all()
    assert flags == {MISSING: [0]}
