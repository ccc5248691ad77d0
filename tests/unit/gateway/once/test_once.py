"""A transaction that comes again is answered as the first time, and published once."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog.testing
from tests.support.gateways import KEEP_MS, Gateways, asked

from riskstream.gateway.once.flight import Flight
from riskstream.gateway.once.known import Known
from riskstream.gateway.once.refusing import checked_key
from riskstream.gateway.problem import Problem

TOLD = b'{"decision":"APPROVE"}'


@pytest.fixture(params=[1, 2], ids=["one gateway", "two that share"])
def gateways(request: pytest.FixtureRequest) -> Iterator[Gateways]:
    """Two share a memory: the first request comes to the first, the repeat to the last."""
    found = Gateways(request.param, is_shared=request.param > 1)
    yield found
    found.close()


@pytest.fixture
def one() -> Iterator[Gateways]:
    found = Gateways()
    yield found
    found.close()


def _code(gateways: Gateways, *given: object, **named: object) -> str:
    with pytest.raises(Problem) as refused:
        gateways.run(gateways.accept(*given, **named))  # type: ignore[arg-type]
    return refused.value.code


def test_a_repeat_is_told_where_the_first_stands_for_a_day(gateways: Gateways) -> None:
    first = gateways.run(gateways.accept(asked()))
    assert gateways.run(gateways.accept(asked(), -1)) == first == (0, 0)
    assert gateways.run(gateways.accept(asked(customer_id="c-2"), -1)) == (0, 1)
    gateways.clock.advance(KEEP_MS - 1)
    assert gateways.run(gateways.accept(asked(), -1)) == (0, 0)
    gateways.clock.advance(1 + KEEP_MS)
    assert gateways.run(gateways.accept(asked(), -1)) == (0, 2)


def test_the_same_id_or_key_with_another_body_is_refused(gateways: Gateways) -> None:
    gateways.run(gateways.accept(asked("k")))
    assert _code(gateways, asked(amount_minor=1), -1) == "id-reused"
    assert _code(gateways, asked("k", transaction_id="t-2"), -1) == "key-reused"
    assert _code(gateways, asked("k", amount_minor=1), -1) == "key-reused"
    assert gateways.run(gateways.accept(asked("other key"), -1)) == (0, 0)
    assert _code(gateways, asked("other key", transaction_id="t-2"), -1) == "key-reused"
    assert len(gateways.published) == 1


def test_callers_do_not_meet_by_the_same_key(gateways: Gateways) -> None:
    gateways.run(gateways.accept(asked("k", "a")))
    assert gateways.run(gateways.accept(asked("k", "b", transaction_id="t-2"), -1)) == (0, 1)


def test_the_gateways_rates_do_not_make_another_body(gateways: Gateways) -> None:
    def rated(amount: int, version: str) -> object:
        return asked(currency="JPY", base_amount_minor=amount, rates_version=version)

    gateways.run(gateways.accept(rated(900, "2026-06")))  # type: ignore[arg-type]
    assert gateways.run(gateways.accept(rated(910, "2026-07"), -1)) == (0, 0)  # type: ignore[arg-type]


def test_what_kafka_did_not_take_may_come_again_with_any_body(gateways: Gateways) -> None:
    async def fail(key: str) -> None:
        flight = await gateways.begin(asked(key))
        assert isinstance(flight, Flight)
        gateways.publish(flight)
        flight.placed(None)
        if flight.stored is not None:
            await flight.stored

    gateways.run(fail("k"))
    gateways.published.clear()
    assert gateways.run(gateways.accept(asked("k", amount_minor=7), -1)) == (0, 0)


def test_a_repeat_joins_the_first_while_that_is_under_way(gateways: Gateways) -> None:
    async def both() -> None:
        first = await gateways.begin(asked())
        assert isinstance(first, Flight)
        place = gateways.publish(first)
        repeats = [asyncio.create_task(gateways.accept(asked(), -1, within_s=5)) for _ in range(3)]
        other = asyncio.create_task(gateways.accept(asked(amount_minor=3), -1, within_s=5))
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in repeats)
        first.placed(place)
        assert await asyncio.gather(*repeats) == [place] * 3
        with pytest.raises(Problem):
            await other

    gateways.run(both())
    assert len(gateways.published) == 1


def test_a_key_stands_for_one_transaction_while_that_is_under_way(gateways: Gateways) -> None:
    async def both() -> None:
        first = await gateways.begin(asked("k"))
        assert isinstance(first, Flight)
        for other in (asked("k", transaction_id="t-2"), asked("k", amount_minor=3)):
            with pytest.raises(Problem) as refused:
                await gateways.begin(other, -1)
            assert refused.value.code == "key-reused"
        first.drop()
        if first.stored is not None:
            await first.stored

    gateways.run(both())
    assert gateways.run(gateways.accept(asked("k", transaction_id="t-2"), -1)) == (0, 0)


def test_a_repeat_that_waited_as_long_as_it_may_is_told_to_come_again(gateways: Gateways) -> None:
    async def both() -> None:
        first = await gateways.begin(asked())
        assert isinstance(first, Flight)
        with pytest.raises(Problem) as refused:
            await gateways.accept(asked(), -1)
        assert (refused.value.status, refused.value.code) == (503, "under-way")
        assert dict(refused.value.headers) == {"Retry-After": "1"}
        first.placed((0, 4))
        if first.stored is not None:
            await first.stored
        assert await gateways.accept(asked(), -1) == (0, 4)

    gateways.run(both())


def test_what_a_killed_gateway_had_under_way_is_sent_again_when_its_time_is_over() -> None:
    gateways = Gateways(2, is_shared=True)
    gateways.run(gateways.begin(asked("k")))
    gateways.restart(0)
    assert _code(gateways, asked("k")) == "under-way"
    gateways.clock.advance(2999)
    assert _code(gateways, asked("k"), 1) == "under-way"
    gateways.clock.advance(1)
    assert gateways.run(gateways.accept(asked("k"), 1)) == (0, 0)
    gateways.close()


def test_a_decision_is_told_again_and_an_accepted_transaction_is_decided(
    gateways: Gateways,
) -> None:
    async def decide(at: int) -> Known | Flight:
        found = await gateways.begin(asked(deadline_ms=100), at)
        if isinstance(found, Flight):
            found.placed(gateways.publish(found))
            stored = found.tell(TOLD)
            if stored is not None:
                await stored
        return found

    gateways.run(gateways.accept(asked()))
    assert isinstance(gateways.run(decide(-1)), Flight), "the scorer is asked by a repeat"
    found = gateways.run(decide(0))
    if len(gateways.each) == 1:
        assert found == Known(found.body, (0, 1), TOLD)  # type: ignore[union-attr]
    assert gateways.run(gateways.accept(asked(), -1)) == (0, 1)


def test_a_decision_without_a_record_is_told_again_until_kafka_says(one: Gateways) -> None:
    async def wait() -> None:
        first = await one.begin(asked(deadline_ms=100))
        assert isinstance(first, Flight)
        place = one.publish(first)
        first.tell(TOLD)
        again = await one.begin(asked(deadline_ms=100))
        assert (again.place, again.told) == (None, TOLD)
        first.placed(place)
        again = await one.begin(asked(deadline_ms=100))
        assert isinstance(again, Known)
        assert (again.place, again.told) == (place, TOLD)

    one.run(wait())


def test_a_decision_whose_record_kafka_did_not_take_is_asked_anew(one: Gateways) -> None:
    async def fail() -> None:
        first = await one.begin(asked(deadline_ms=100))
        assert isinstance(first, Flight)
        one.publish(first)
        first.tell(TOLD)
        first.placed(None)
        assert isinstance(await one.begin(asked(deadline_ms=100)), Flight)

    one.run(fail())


def test_a_decision_without_a_record_stays_when_its_transaction_is_accepted(
    gateways: Gateways,
) -> None:
    async def unrecorded() -> None:
        first = await gateways.begin(asked(deadline_ms=100))
        assert isinstance(first, Flight)
        gateways.publish(first)
        stored = first.tell(TOLD)
        first.placed(None)
        await asyncio.sleep(0)
        assert stored is None

    gateways.run(unrecorded())
    assert gateways.run(gateways.accept(asked())) == (0, 1)
    again = gateways.run(gateways.begin(asked(deadline_ms=100), -1))
    assert isinstance(again, Known)
    assert (again.place, again.told) == ((0, 1), TOLD)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_caller_that_went_away_leaves_what_kafka_says(one: Gateways, is_taken: bool) -> None:
    async def leave() -> None:
        first = await one.begin(asked(deadline_ms=100))
        assert isinstance(first, Flight)
        place = one.publish(first)
        first.leave()
        with pytest.raises(Problem):
            await one.accept(asked())
        first.placed(place if is_taken else None)
        assert await one.accept(asked()) == (place if is_taken else (0, 1))

    one.run(leave())


def test_requests_of_one_turn_ask_the_shared_memory_once() -> None:
    gateways = Gateways(1, is_shared=True)

    async def many() -> None:
        asks = [asked(transaction_id=f"t-{at}") for at in range(50)]
        await asyncio.gather(*(gateways.accept(each) for each in asks))

    gateways.run(many())
    assert gateways.store is not None
    assert (gateways.store.calls, len(gateways.published)) == (2, 50)
    gateways.close()


def test_without_redis_each_gateway_remembers_by_itself_and_says_so_once() -> None:
    gateways = Gateways(2, is_shared=True)
    assert gateways.store is not None
    gateways.store.is_away = True
    with structlog.testing.capture_logs() as events:
        for _ in range(3):
            for at in (0, 1):
                gateways.run(gateways.accept(asked(), at))
            gateways.clock.advance(1000)
        assert len(gateways.published) == 2
        gateways.store.is_away = False
        assert gateways.run(gateways.accept(asked(transaction_id="t-2"), 0)) == (0, 2)
        assert gateways.run(gateways.accept(asked(transaction_id="t-2"), 1)) == (0, 2)
    levels = [each["log_level"] for each in events]
    assert sorted(levels) == ["info", "info", "warning", "warning"]
    assert gateways.registry.get_sample_value("riskstream_gateway_once_local_total") == 2
    gateways.close()


@pytest.mark.parametrize("given", [["k"], ["~" * 255], ["!"], []])
def test_a_key_has_visible_ascii_characters(given: list[str]) -> None:
    assert checked_key(given) == (given[0] if given else None)


@pytest.mark.parametrize("given", [[""], ["k" * 256], ["a b"], ["é"], ["a\t"], ["k", "k"], ["k\n"]])
def test_another_key_is_refused(given: list[str]) -> None:
    with pytest.raises(Problem) as refused:
        checked_key(given)
    assert (refused.value.status, refused.value.code) == (400, "bad-idempotency-key")


def test_a_caller_in_a_hurry_does_not_wait_for_a_slow_shared_memory() -> None:
    gateways = Gateways(1, is_shared=True)
    store = gateways.store
    assert store is not None
    reserve = store.reserve

    async def slow(*given: Any) -> Any:
        await asyncio.sleep(0.05)
        return await reserve(*given)

    store.reserve = slow  # type: ignore[method-assign, assignment]

    async def hurry() -> None:
        until = asyncio.get_running_loop().time() + 5
        first = await gateways.each[0].begin(asked(), until, 0.0)
        assert isinstance(first, Flight)
        first.placed(gateways.publish(first))
        assert await gateways.accept(asked()) == (0, 0)
        await asyncio.sleep(0.06)
        gateways.restart(0)
        assert await gateways.accept(asked()) == (0, 0), "others know it in the end"

    gateways.run(hurry())
    gateways.close()
