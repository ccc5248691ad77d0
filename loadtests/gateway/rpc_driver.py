"""Callers of the gRPC door, each a process of its own: a stream that is kept busy, single calls
that are kept busy, and an open loop of decisions. Prints JSON.

`python -m loadtests.gateway.rpc_driver stream HOST:PORT KEY ITEMS SECONDS`
`python -m loadtests.gateway.rpc_driver accept HOST:PORT KEY SECONDS`
`python -m loadtests.gateway.rpc_driver decide HOST:PORT RATE SECONDS TAG`
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop

from riskstream.gateway.rpc.messages import message_class, numbers_of

SERVICE = "/riskstream.v1.Gateway"
CALLERS, WINDOW = 32, 6
"""Callers of single transactions; batches that a stream has on the way."""
PATIENCE_S = 30.0
_ID = "#" * 16
"""Stands for a batch's part of its ids: repeats would not be published."""


def _transaction(tag: str, number: int, **more: Any) -> Any:
    given = {
        "transaction_id": f"{tag}-{number}",
        "customer_id": f"{tag}-c{number % 5000}",
        "account_token": "tok-1",
        "channel": numbers_of("Channel")["POS"],
        "kind": numbers_of("Kind")["PURCHASE"],
        "amount_minor": 1000 + number % 977,
        "currency": "EUR",
        "occurred_at": int(time.time() * 1000),
        **more,
    }
    return message_class("Transaction")(**given)


class Batches:
    """Made ahead, for who sends is to cost little: only the sequence and the ids differ."""

    def __init__(self, items: int) -> None:
        card = {"terminal_id": "term-9", "mcc": 5411, "country": "BE"}
        rows = [_transaction(_ID, at, customer_id=f"c{at}", **card) for at in range(items)]
        made = message_class("TransactionBatch")(transactions=rows)
        self._body = made.SerializeToString()

    def of(self, sequence: int) -> bytes:
        head = message_class("TransactionBatch")(sequence=sequence).SerializeToString()
        return bytes(head + self._body.replace(_ID.encode(), secrets.token_hex(8).encode()))


async def _stream(target: str, key: str, items: int, seconds: float) -> int:
    """How many transactions were accepted."""
    batches, places, accepted = Batches(items), asyncio.Semaphore(WINDOW), 0
    end = time.monotonic() + seconds

    async def sent() -> AsyncIterator[bytes]:
        number = 0
        while time.monotonic() < end:
            await places.acquire()
            number += 1
            yield batches.of(number)

    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.stream_stream(f"{SERVICE}/AcceptStream")(
            sent(), metadata=[("x-api-key", key)]
        )
        async for raw in call:
            places.release()
            accepted += message_class("ReceiptBatch").FromString(raw).accepted
    return accepted


async def _accept(target: str, key: str, seconds: float) -> int:
    end, accepted, tag = time.monotonic() + seconds, 0, secrets.token_hex(4)

    async def calls(channel: Any, caller: int) -> None:
        nonlocal accepted
        accept, number = channel.unary_unary(f"{SERVICE}/Accept"), 0
        while time.monotonic() < end:
            number += 1
            body = _transaction(f"{tag}-{caller}", number).SerializeToString()
            await accept(body, metadata=[("x-api-key", key)], timeout=PATIENCE_S)
            accepted += 1

    async with grpc.aio.insecure_channel(target) as channel:
        await asyncio.gather(*(calls(channel, caller) for caller in range(CALLERS)))
    return accepted


async def _decide(target: str, rate: float, seconds: float, tag: str) -> list[dict[str, Any]]:
    """Each decision: how long it took from when it was due, ms, and its rung."""
    said: list[dict[str, Any]] = []
    make, reply = message_class("DecisionRequest"), message_class("DecisionReply")

    async def ask(decide: Any, number: int, due: float) -> None:
        asked = make(transaction=_transaction(tag, number), deadline_ms=1000)
        rung, status = 0, "OK"
        try:
            told = await decide(asked.SerializeToString(), timeout=PATIENCE_S)
            rung = reply.FromString(told).rung
        except grpc.RpcError as error:
            status = f"{error.code()}"
        took_ms = (time.perf_counter() - due) * 1000
        said.append({"took_ms": took_ms, "rung": rung, "status": status})

    async with grpc.aio.insecure_channel(target) as channel:
        decide, tasks = channel.unary_unary(f"{SERVICE}/Decide"), []
        began = time.perf_counter() + 0.1
        for number in range(round(rate * seconds)):
            due = began + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(ask(decide, number, due)))
        await asyncio.gather(*tasks)
    return said


def main() -> None:
    kind, target, *given = sys.argv[1:]
    if kind == "stream":
        print(uvloop.run(_stream(target, given[0], int(given[1]), float(given[2]))))
    elif kind == "accept":
        print(uvloop.run(_accept(target, given[0], float(given[1]))))
    else:
        found = uvloop.run(_decide(target, float(given[0]), float(given[1]), given[2]))
        print(json.dumps(found))


if __name__ == "__main__":
    main()
