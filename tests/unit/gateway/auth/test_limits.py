"""How often callers may send: by buckets that gateways share, or their own."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog.testing
from prometheus_client import CollectorRegistry
from tests.support.guarded import Guarded

from riskstream.gateway.auth import buckets
from riskstream.gateway.auth.buckets import LocalBuckets
from riskstream.gateway.auth.caller import SCOPES, Caller
from riskstream.gateway.auth.limits import Limits
from riskstream.platform.telemetry.metrics import AccessMetrics
from riskstream.runtime.clock import ManualClock
from riskstream.runtime.errors import Retryable


class Shared:
    """As the buckets in Redis. `asked`: how many were wanted each time."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock, self._held = clock, LocalBuckets()
        self.asked: list[int] = []
        self.is_away = False

    async def take(
        self, name: str, rate_per_s: int, burst: int, wanted: int
    ) -> tuple[int, int, float]:
        self.asked.append(wanted)
        await asyncio.sleep(0)
        if self.is_away:
            raise Retryable(what="no answer", where="Redis")
        granted, left, wait_s = 0, 0, 0.0
        for _ in range(wanted):
            left, wait_s = self._held.take(name, rate_per_s, burst, self._clock.monotonic())
            if wait_s:
                break
            granted += 1
        return granted, left, wait_s

    async def spend(self, name: str, rate_per_s: int, burst: int, count: int) -> None:
        if self.is_away:
            raise Retryable(what="no answer", where="Redis")
        self._held.spend(name, rate_per_s, burst, count, self._clock.monotonic())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


class Gateways:
    """Some gateways with the same shared buckets."""

    def __init__(self, runner: asyncio.Runner, count: int = 1, **given: Any) -> None:
        self._runner, self.clock = runner, ManualClock()
        self.shared = Shared(self.clock)
        self.registry = CollectorRegistry()
        metrics = AccessMetrics(self.registry)
        self.limits = [Limits(self.clock, metrics, self.shared, **given) for _ in range(count)]

    def let_in(self, count: int, name: str = "c", **caller: Any) -> int:
        """How many of so many requests at once were let in, spread over the gateways."""
        who = Caller(name=name, scopes=frozenset(), **caller)

        async def send() -> int:
            takes = [self.limits[each % len(self.limits)].take(who) for each in range(count)]
            found = await asyncio.gather(*takes)
            return sum(each is None or not each.wait_s for each in found)

        return self._runner.run(send())


def test_a_caller_is_told_what_is_left_and_429_where_nothing_is() -> None:
    guarded = Guarded(rate_per_s=10, burst=3)
    key = guarded.keys.make(*SCOPES)
    for left in (2, 1, 0):
        found = guarded.by(key)
        assert found.status == 200
        assert found.headers["ratelimit-policy"] == '"default";q=3;w=1'
        assert found.headers["ratelimit"] == f'"default";r={left};t=1'
    found = guarded.by(key)
    assert (found.status, found.body["type"]) == (429, "urn:riskstream:problem:rate-limited")
    assert found.headers["content-type"] == "application/problem+json"
    assert (found.headers["retry-after"], found.headers["ratelimit"]) == ("1", '"default";r=0;t=1')
    assert found.body["violated-policies"] == ["default"]
    assert len(guarded.reached) == 3
    assert guarded.by(guarded.keys.make(*SCOPES)).status == 200, "another caller is not held back"
    guarded.clock.advance(100)
    assert [guarded.by(key).status for _ in range(2)] == [200, 429]
    assert guarded.by("rsk_wrong").status == 401


def test_a_key_brings_its_own_rate_and_a_refusal_by_scope_counts() -> None:
    guarded = Guarded(rate_per_s=1000)
    key = guarded.keys.make("labels:write", rate_per_s=1)
    assert [guarded.by(key).status for _ in range(3)] == [403, 403, 429]
    free = Guarded()
    assert "ratelimit" not in free.by(free.keys.make(*SCOPES)).headers


def test_a_fast_caller_asks_the_shared_buckets_seldom(runner: asyncio.Runner) -> None:
    gateways = Gateways(runner, rate_per_s=1000, burst=2000)
    assert gateways.let_in(1500) == 1500
    assert len(gateways.shared.asked) < 30
    assert max(gateways.shared.asked) == 100
    assert gateways.let_in(1500) == 500


@pytest.mark.parametrize("is_away", [False, True])
def test_a_caller_pays_for_each_transaction_of_a_body(
    runner: asyncio.Runner, is_away: bool
) -> None:
    gateways = Gateways(runner, rate_per_s=100, burst=50)
    gateways.shared.is_away = is_away
    assert gateways.let_in(1) == 1
    runner.run(gateways.limits[0].spend(Caller(name="c", scopes=frozenset()), 999))
    gateways.clock.advance(9400)
    assert gateways.let_in(1) == 0, "less than 950 of 1,000 are paid for"
    gateways.clock.advance(120)
    assert gateways.let_in(10) == 2


def test_a_slow_caller_takes_no_more_than_it_sends(runner: asyncio.Runner) -> None:
    gateways = Gateways(runner, rate_per_s=1000, burst=10)
    for _ in range(20):
        assert gateways.let_in(1) == 1
        gateways.clock.advance(250)
    assert gateways.shared.asked == [1] * 20


@pytest.mark.parametrize("count", [1, 3])
def test_gateways_let_in_no_more_than_the_rate_together(runner: asyncio.Runner, count: int) -> None:
    gateways = Gateways(runner, count, rate_per_s=100, burst=50)
    let_in = 0
    for _ in range(40):
        let_in += gateways.let_in(30)
        gateways.clock.advance(50)
    # 2 s of 100 a second and the burst; what a gateway has not used in 0.2 s is lost
    assert 0.85 * 250 <= let_in <= 250


def test_where_redis_is_away_each_gateway_limits_by_itself_and_says_so_once(
    runner: asyncio.Runner,
) -> None:
    gateways = Gateways(runner, rate_per_s=10, burst=5)
    gateways.shared.is_away = True
    with structlog.testing.capture_logs() as events:
        assert gateways.let_in(20) == 5
        assert len(gateways.shared.asked) == 1, "nobody waits for it a second time"
        gateways.clock.advance(999)
        assert gateways.let_in(20) == 5
        assert len(gateways.shared.asked) == 1
        gateways.clock.advance(1)
        gateways.let_in(1)
        assert len(gateways.shared.asked) == 2
        assert [each["log_level"] for each in events] == ["warning"]
        gateways.shared.is_away = False
        gateways.clock.advance(1000)
        assert gateways.let_in(20) == 5
    assert [each["log_level"] for each in events] == ["warning", "info"]
    assert gateways.registry.get_sample_value("riskstream_gateway_limits_local_total") == 41


def test_as_many_callers_are_remembered_as_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MAX_CALLERS", 3)
    held = LocalBuckets()
    for each in range(10):
        held.take(str(each), 1, 1, 0.0)
    assert len(held) == 3
    assert held.take("9", 1, 1, 0.5) == (0, 0.5)
