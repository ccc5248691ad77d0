"""When a lane's batch edge is due."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from riskstream.platform.kafka.lanes.exact.edge import LaneEdge
from riskstream.platform.kafka.lanes.exact.owned import Owned, PendingCheckpoint, Phase
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings


def _edge(owned: Owned) -> LaneEdge:
    settings = LaneSettings(
        kafka="",
        group="",
        source="source",
        output="",
        dead_letters="",
        checkpoint_every_ms=60_000,
        checkpoint_rows=100,
    )
    nothing = cast(Any, SimpleNamespace(failure=None))
    return LaneEdge(settings, nothing, nothing, nothing, {0: owned})


def test_many_changed_records_make_it_due_early() -> None:
    owned = Owned(partition=0, number=1, phase=Phase.RUNNING, changed_rows=99)
    edge = _edge(owned)
    assert not edge.is_due()
    owned.changed_rows = 100
    assert edge.is_due()


@pytest.mark.parametrize("why", ["pending", "writing", "unreadable", "opening"])
def test_records_that_cannot_be_copied_yet_do_not_make_every_turn_due(why: str) -> None:
    owned = Owned(partition=0, number=1, phase=Phase.RUNNING, changed_rows=1000)
    match why:
        case "pending":
            owned.pending = PendingCheckpoint(10, [], None)
        case "writing":
            owned.is_writing = True
        case "unreadable":
            owned.touched_unreadable = True
        case _:
            owned.phase = Phase.OPENING
    assert not _edge(owned).is_due()
