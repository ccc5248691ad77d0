"""How often a derived lane commits."""

import pytest

from riskstream.platform.kafka.lanes.derived_pace import IDLE_S, Pace
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings

SETTINGS = DerivedSettings(
    kafka="k", group="g", source="s", instance="0", commit_ms=100, flush_ms=2000
)


@pytest.mark.parametrize(
    ("behind_ms", "wait_ms"),
    [(-500, 100), (0, 100), (1000, 100), (1500, 150), (9000, 900), (20_000, 2000), (10**9, 2000)],
)
def test_a_commit_waits_a_tenth_of_how_far_behind_the_lane_is(behind_ms: int, wait_ms: int) -> None:
    pace = Pace(SETTINGS, 7.0)
    assert not pace.is_due(7.0 + (wait_ms - 1) / 1000, behind_ms)
    assert pace.is_due(7.0 + (wait_ms + 1) / 1000, behind_ms)


def test_a_lane_that_finds_nothing_more_commits_what_it_has() -> None:
    pace = Pace(SETTINGS, 0.0)
    assert not pace.is_due(0.5, 10_000)
    assert not pace.is_due(0.6, None), "a fetch may take so long"
    assert pace.is_due(0.5 + IDLE_S + 0.01, None)
    pace.committed(0.8, is_flushed=False)
    assert pace.is_due(0.95, None)
    assert not pace.is_due(0.95, 10_000), "more came"


def test_state_is_written_each_flush_ms_with_a_commit() -> None:
    pace = Pace(SETTINGS, 0.0)
    pace.committed(1.5, is_flushed=False)
    assert not pace.is_due(1.55, 0)
    assert not pace.is_flush_due(1.9)
    assert pace.is_flush_due(2.0)
    pace.committed(2.0, is_flushed=True)
    assert not pace.is_flush_due(3.9)
    assert pace.is_flush_due(4.0)
