"""Recovery where the world does not answer."""

from typing import cast

import pytest

from riskstream.platform.kafka.lanes.exact.recovery import SNAPSHOTS_PATIENCE_S, Recovery
from riskstream.platform.kafka.lanes.exact.settings import Route
from riskstream.platform.kafka.lanes.exact.standing import Standing
from riskstream.platform.kafka.lanes.exact.standing_reader import StandingReader
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import AnswerReader, Mark, OnStateLost, StateStore
from riskstream.runtime.errors import Retryable

ROUTE = Route(kafka="127.0.0.1:1", group="scorer", source="transactions.v1", output="scores.v1")


def test_a_request_that_is_not_answered_in_time_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(self: StandingReader) -> tuple[str, int]:
        raise TimeoutError

    monkeypatch.setattr(StandingReader, "identity", late)
    recovery = Recovery(ROUTE, cast(AnswerReader, None), cast(StateStore, None))
    with pytest.raises(Retryable, match="does not answer"):
        recovery.recover(0)


class _Away:
    """A place of snapshots that does not answer."""

    def restore(self, partition: int, identity: str, first: int = 0) -> Mark | None:
        raise Retryable(what=f"no answer about partition {partition}", where=f"{identity} {first}")


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("on_state_lost", "goes_on"), [("degrade", True), ("restore", False)])
def test_snapshots_that_are_away_are_waited_for_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, on_state_lost: OnStateLost, goes_on: bool
) -> None:
    clock = _Clock()
    monkeypatch.setattr("riskstream.platform.kafka.lanes.exact.recovery.monotonic", clock.monotonic)
    recovery = Recovery(
        ROUTE, cast(AnswerReader, None), cast(StateStore, None), on_state_lost, _Away()
    )
    lost = Standing(
        mark=None,
        identity="t",
        source_low=5,
        source_high=9,
        output_low=0,
        output_high=7,
        committed=0,
        empty_to=0,
        verdicts=Verdicts(("UNKNOWN",)),
    )
    for _ in range(2):
        with pytest.raises(Retryable, match="no answer about partition 3"):
            recovery._regained(None, 3, lost, "why")
        clock.now += SNAPSHOTS_PATIENCE_S - 1
    clock.now += 1
    if goes_on:
        assert recovery._regained(None, 3, lost, "why") == (lost, "why")
    else:
        with pytest.raises(Retryable):
            recovery._regained(None, 3, lost, "why")
