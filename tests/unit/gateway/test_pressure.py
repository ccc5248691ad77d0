"""How many transactions of bodies of many are let in, by a clock that a test moves."""

import asyncio
import math
import time

import pytest

from riskstream.gateway.bulk import BulkGate
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.problem import Problem


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _calm(pressure: Pressure, clock: _Clock, seconds: float) -> None:
    """Time without delays, while decisions are asked for."""
    for _ in range(round(seconds / 0.02)):
        clock.now += 0.02
        pressure.decides()
        pressure.see(0.001)


def test_a_delay_halves_what_is_let_in_and_calm_lets_it_grow() -> None:
    clock = _Clock()
    pressure = Pressure(clock)
    pressure.decides()
    pressure.spend(8000)
    assert pressure.is_open
    assert pressure.rate == math.inf
    pressure.see(0.05)
    assert pressure.rate == 4000
    pressure.see(0.05)  # the cut needs time to act
    assert pressure.rate == 4000
    pressure.spend(4000)
    assert not pressure.is_open
    clock.now += 1
    assert pressure.is_open
    _calm(pressure, clock, 1)
    assert 4000 < pressure.rate <= 4000 * 1.5**2.1
    _calm(pressure, clock, 20)
    assert pressure.rate == math.inf


def test_delays_that_stay_leave_a_trickle() -> None:
    clock = _Clock()
    pressure = Pressure(clock)
    for _ in range(100):
        clock.now += 0.6
        pressure.decides()
        pressure.see(0.05)
        pressure.spend(100)
    assert pressure.rate == 500


def test_where_nobody_asks_for_decisions_bodies_have_the_machine() -> None:
    clock = _Clock()
    pressure = Pressure(clock)
    pressure.spend(10_000)
    pressure.see(0.05)
    assert pressure.is_open
    pressure.decides()
    clock.now += 1
    pressure.spend(10_000)
    pressure.see(0.05)
    pressure.spend(10_000)
    assert not pressure.is_open
    clock.now += 1.5
    pressure.see(0.05)
    assert pressure.is_open


def test_the_gate_sheds_what_there_is_no_place_for() -> None:
    pressure = Pressure()
    gate = BulkGate(1, pressure)
    with gate.place():
        with pytest.raises(Problem) as refused, gate.place():
            pass
        assert (refused.value.status, dict(refused.value.headers)) == (429, {"Retry-After": "1"})
        gate.spend(100_000)
        pressure.decides()
        pressure.see(0.05)
        gate.spend(100_000)
    with pytest.raises(Problem) as refused, gate.place():
        pass
    assert "decisions would be late" in refused.value.detail


def test_a_loop_that_is_held_up_is_seen() -> None:
    async def run() -> None:
        pressure = Pressure()
        pressure.decides()
        task = asyncio.create_task(pressure.watch())
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_soon(time.sleep, 0.1)
        await asyncio.sleep(0.05)
        assert pressure.rate == 500
        task.cancel()

    asyncio.run(run())


def test_a_body_that_comes_slowly_takes_no_place_and_all_of_them_have_room_for_so_much() -> None:
    gate = BulkGate(1, Pressure(), most_bytes=100)
    with gate.receiving() as slow, gate.receiving() as quick:
        slow(60)
        quick(40)
        with gate.place(), pytest.raises(Problem), gate.place():
            pass
        with pytest.raises(Problem) as refused:
            quick(1)
        assert refused.value.status == 429
    with gate.receiving() as later:
        later(100)
