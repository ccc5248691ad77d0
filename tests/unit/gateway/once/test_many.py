"""The transactions of one body are each let through once."""

import asyncio
import json
from typing import Any

import pytest
from tests.support.builders import NOW_MS, request
from tests.support.gateways import Gateways, asked

from riskstream.gateway.batch import BatchReader
from riskstream.gateway.once.flight import Flight
from riskstream.gateway.once.identity import BodyHashes, digest, name_of
from riskstream.gateway.once.lookup import look_up
from riskstream.gateway.once.many import ManyOnce
from riskstream.gateway.once.several import Many
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates
from riskstream.platform.adapters.remembered import Row

READER = BatchReader(read_rates(None))


def _many(*rows: dict[str, Any]) -> Many:
    batch = READER.read(json.dumps([request(**each) for each in rows]).encode(), NOW_MS, 10_000)
    return Many.of(batch, list(range(len(batch))))


class Door:
    """Accepts bodies of many. `takes` says which are taken, by where they come."""

    def __init__(self, gateways: Gateways, at: int = 0) -> None:
        self._gateways = gateways
        self._many = ManyOnce(gateways.each[at], self._send, 3000)
        self.refused: set[int] = set()
        self.waits: asyncio.Event | None = None

    def _send(self, keys: list[bytes], frames: list[bytes]) -> "asyncio.Future[Any]":
        async def sent() -> list[tuple[int, int] | None]:
            if self.waits is not None:
                await self.waits.wait()
            out: list[tuple[int, int] | None] = []
            for key, frame in zip(keys, frames, strict=True):
                self._gateways.published.append((key, frame))
                out.append((0, len(self._gateways.published) - 1))
            return [None if at in self.refused else each for at, each in enumerate(out)]

        return asyncio.ensure_future(sent())

    async def accept(self, many: Many, within_s: float = 1.0) -> list[Any]:
        await self._many.accept(many, asyncio.get_running_loop().time() + within_s)
        return [each.code if isinstance(each, Problem) else each for each in many.found]


def _ids(count: int) -> list[dict[str, Any]]:
    return [{"transaction_id": f"t-{at}"} for at in range(count)]


@pytest.mark.parametrize("count", [1, 2])
def test_a_body_that_comes_again_is_told_where_its_transactions_stand(count: int) -> None:
    gateways = Gateways(count, is_shared=count > 1)
    first, again = _many(*_ids(2500)), _many(*_ids(2500), {"transaction_id": "new"})
    places = gateways.run(Door(gateways).accept(first))
    assert places == [(0, at) for at in range(2500)]
    assert not first.again
    assert gateways.run(Door(gateways, -1).accept(again)) == [*places, (0, 2500)]
    assert again.again == set(range(2500))
    assert gateways.store is None or gateways.store.calls == 3 + 3 + 3 + 1
    gateways.close()


def test_other_bodies_and_repeats_within_a_body_are_told_apart() -> None:
    gateways = Gateways(2, is_shared=True)
    gateways.run(Door(gateways).accept(_many(*_ids(2))))
    rows: list[dict[str, Any]] = [
        {"transaction_id": "t-1", "amount_minor": 7},
        {"transaction_id": "new"},
        {"transaction_id": "new"},
        {"transaction_id": "new", "amount_minor": 8},
    ]
    for at in (0, 1):
        found = gateways.run(Door(gateways, at).accept(_many(*rows)))
        assert found == ["id-reused", (0, 2), (0, 2), "id-reused"]
    assert len(gateways.published) == 3
    gateways.close()


def test_what_was_not_taken_may_come_again() -> None:
    gateways = Gateways(2, is_shared=True)
    door = Door(gateways)
    door.refused = {1}
    assert gateways.run(door.accept(_many(*_ids(3)))) == [(0, 0), None, (0, 2)]
    gateways.published.clear()
    assert gateways.run(Door(gateways, 1).accept(_many(*_ids(3)))) == [(0, 0), (0, 0), (0, 2)]
    gateways.close()


def test_one_that_is_under_way_alone_or_in_another_body_is_waited_for() -> None:
    gateways = Gateways()

    async def both() -> None:
        alone = await gateways.begin(_alone("t-0"))
        assert isinstance(alone, Flight)
        first = Door(gateways)
        first.waits = asyncio.Event()
        task = asyncio.create_task(first.accept(_many(*_ids(3)[1:])))
        await asyncio.sleep(0)
        second = asyncio.create_task(Door(gateways).accept(_many(*_ids(4))))
        single = asyncio.create_task(gateways.accept(_alone("t-2"), within_s=1))
        await asyncio.sleep(0.01)
        assert not second.done()
        alone.placed((7, 7))
        first.waits.set()
        places = await task
        assert (await second)[:3] == [(7, 7), *places]
        assert await single == places[1]
        assert len(gateways.published) == 3

    def _alone(name: str) -> Any:
        return _as_alone({"transaction_id": name})

    gateways.run(both())
    gateways.close()


def _as_alone(row: dict[str, Any]) -> Any:
    """A request for the same transaction as it comes alone."""
    many = _many(row)
    ask = asked(transaction_id=row["transaction_id"])
    ask.frame = many.frames[0]
    return ask


def test_a_caller_that_waits_no_longer_does_not_let_go_of_its_transactions() -> None:
    gateways = Gateways()

    async def late() -> None:
        door = Door(gateways)
        door.waits = asyncio.Event()
        assert await door.accept(_many(*_ids(2)), within_s=0) == [None, None]
        again = asyncio.create_task(Door(gateways).accept(_many(*_ids(2))))
        await asyncio.sleep(0)
        door.waits.set()
        assert await again == [(0, 0), (0, 1)]

    gateways.run(late())
    gateways.close()


def test_a_body_is_the_same_alone_and_in_a_batch_however_it_is_written() -> None:
    rows: list[dict[str, Any]] = [
        {"transaction_id": "a"},
        {"currency": "JPY", "terminal_id": "t"},
        {"country": "BE", "mcc": 1, "device_id": "d" * 200},
        {"base_amount_minor": 5, "base_currency": "EUR", "rates_version": "mine"},
        {"corrects": "t-0", "merchant_id": "\u00e9", "counterparty_id": "x" * 8},
    ]
    many = _many(*rows)
    assert many.bodies == BodyHashes().of(many.frames)
    assert len(set(many.bodies)) == len(rows)
    text = json.dumps([dict(reversed(request(**each).items())) for each in rows], indent=3)
    assert READER.read(text.encode(), NOW_MS, 10).bodies == many.bodies


def test_what_this_version_cannot_read_of_the_shared_memory_is_as_unknown() -> None:
    gateways = Gateways(is_shared=True)
    assert gateways.store is not None
    of_another_version = [Row(digest(name_of(b"c-1", b"t-0")), b"", value=b"Z" * 9)]
    gateways.run(gateways.store.settle(of_another_version))
    assert gateways.run(gateways.accept(asked(transaction_id="t-0"))) == (0, 0)
    gateways.restart(0)
    places = gateways.run(Door(gateways).accept(_many(*_ids(2))))
    assert places == [(0, 1), (0, 2)]
    gateways.restart(0)
    with pytest.raises(Problem) as refused:
        gateways.run(look_up(gateways.each[0], "t-0", "c-1"))
    assert refused.value.code == "unknown-decision"
    gateways.close()
