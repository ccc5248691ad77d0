"""The machine that a process runs on, and fault points that are told to a listener."""

from concurrent.futures import Executor

import pytest

from riskstream.runtime import machine
from riskstream.runtime.clock import ManualClock
from riskstream.runtime.faults import fault_point, told_to


class _Manual(ManualClock):
    def sleep(self, seconds: float) -> None:
        self.advance(int(seconds * 1000))

    def background(self, name: str) -> Executor:
        raise NotImplementedError(name)


def test_another_machine_is_in_force_within_its_block_alone() -> None:
    manual = _Manual(now_ms=5000)
    with machine.running_on(manual):
        machine.sleep(2.0)
        assert (machine.now_ms(), machine.monotonic()) == (7000, 7.0)
    assert machine.now_ms() > 1_700_000_000_000


def test_the_real_machine_does_one_thing_after_another_beside_its_caller() -> None:
    done: list[int] = []
    with machine.background("test") as beside:
        for n in range(5):
            beside.submit(done.append, n)
    assert done == [0, 1, 2, 3, 4]


def test_fault_points_are_told_within_the_block_and_do_nothing_outside() -> None:
    passed: list[str] = []
    with told_to(passed.append):
        fault_point("polled")
    fault_point("produced")
    assert passed == ["polled"]


def test_what_a_listener_raises_goes_on_from_the_point() -> None:
    def listen(name: str) -> None:
        raise ValueError(name)

    with told_to(listen), pytest.raises(ValueError, match="polled"):
        fault_point("polled")
