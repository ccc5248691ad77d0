"""The watchdog ends a process that has work and does not move, and no other."""

from riskstream.platform.kafka.lanes.watchdog import Watchdog
from riskstream.runtime.clock import ManualClock
from riskstream.runtime.exits import Exit


class _World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.position = 0
        self.is_behind = True
        self.ended: list[int] = []
        self.watchdog = Watchdog(
            lambda: self.position,
            lambda: self.is_behind,
            now=self.clock.monotonic,
            end=self.ended.append,
        )

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1000)
            self.watchdog.look()


def test_work_and_no_progress_for_30_s_ends_the_process() -> None:
    world = _World()
    world.pass_seconds(30)
    assert world.ended == []
    world.pass_seconds(2)
    assert world.ended[0] == Exit.FAULT


def test_progress_or_no_work_starts_the_time_anew() -> None:
    world = _World()
    world.pass_seconds(25)
    world.position = 1
    world.pass_seconds(25)
    world.is_behind = False
    world.pass_seconds(100)
    world.is_behind = True
    world.pass_seconds(29)
    assert world.ended == []


def test_a_process_that_was_paused_has_its_time_anew() -> None:
    world = _World()
    world.pass_seconds(25)
    world.clock.advance(40_000)
    world.watchdog.look()
    world.pass_seconds(29)
    assert world.ended == [], "it was stopped, and could not move"
    world.pass_seconds(3)
    assert world.ended[0] == Exit.FAULT
