"""POST of a message of ISO 20022: its transactions are given on one by one once the whole message
was read, and each gets a status of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.auth.cards import (
    card_number,
    holds_card_number,
    scrubbed,
    without_cards,
)
from riskstream.gateway.bulk import BulkGate
from riskstream.gateway.handler import Accepted, Handler
from riskstream.gateway.iso20022.converter import Item
from riskstream.gateway.iso20022.limits import Limits, too_many_bytes
from riskstream.gateway.iso20022.mapping import Mapping as Declared
from riskstream.gateway.iso20022.mapping import read_mappings
from riskstream.gateway.iso20022.message import Summary, read_message
from riskstream.gateway.pressure import Pressure
from riskstream.gateway.problem import Problem, invalid
from riskstream.gateway.rates import Rates
from riskstream.gateway.reading import spend
from riskstream.gateway.settings import GatewaySettings
from riskstream.runtime.causes import cause
from riskstream.runtime.clock import Clock
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import read_regular

Accept = Callable[[Transaction], Awaitable[Accepted]]
"""Gives a transaction on: where it stands once it is kept; Problem, and nothing else, where it
was not taken. Calls before its first wait are in the message's order.
"""
_XML = ("application/xml", "text/xml")
_AT_ONCE = 64
"""Transactions that are given on beside each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoDoor:
    """What the route needs. `account_key`: of the tokens that stand for accounts."""

    mappings: Mapping[str, Declared]
    rates: Rates
    clock: Clock
    accept: Accept
    limits: Limits
    account_key: bytes = b""
    gate: BulkGate = field(default_factory=lambda: BulkGate(1, Pressure()))

    @classmethod
    def of(
        cls, settings: GatewaySettings, rates: Rates, handler: Handler, gate: BulkGate
    ) -> "IsoDoor":
        """As the settings say; Fatal where a file of theirs cannot be used."""
        return cls(
            mappings=read_mappings(settings.iso20022_mappings),
            rates=rates,
            clock=handler.clock,
            accept=lambda transaction: handler.accept(transaction, None),
            limits=Limits(
                max_bytes=settings.max_batch_bytes, max_transactions=settings.max_batch_items
            ),
            account_key=_key_of(settings.account_key),
            gate=gate,
        )

    async def post(self, request: Request) -> Response:
        """1 read all of the message, 2 give its transactions on, 3 answer 207. Problem, and
        nothing given on, where the message as a whole is refused.
        """
        with self.gate.receiving() as count:
            parts = await self._body(request, count)
            with self.gate.place():
                return await self._given_on(request, parts)

    async def _given_on(self, request: Request, parts: list[bytes]) -> Response:
        try:
            items, summary = await self.gate.apart(self._read, parts)
        except Problem as problem:
            raise without_cards(problem) from None
        self.gate.spend(len(items))
        await spend(request, len(items))
        found: list[dict[str, Any]] = []
        for at in range(0, len(items), _AT_ONCE):
            found += await asyncio.gather(*map(self._take, items[at : at + _AT_ONCE]))
        body = {
            "message": summary.message,
            "message_id": summary.message_id,
            "transactions": summary.transactions,
            "accepted": sum(each["status"] == 202 for each in found),
            "items": found,
            "left_out": [{"path": path, "count": count} for path, count in summary.left_out],
        }
        told = await self.gate.apart(lambda: msgspec.json.encode(scrubbed(body)))
        return Response(told, 207, media_type="application/json")

    async def _body(self, request: Request, count: Callable[[int], None]) -> list[bytes]:
        check_media(request)
        most, size = self.limits.max_bytes, 0
        length = request.headers.get("content-length", "")
        if len(length) > 15 or (length.isdigit() and int(length) > most):
            raise too_many_bytes(most)
        parts = []
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_many_bytes(most)
            count(len(part))
            parts.append(part)
        return parts

    def _read(self, parts: list[bytes]) -> tuple[list[Item], Summary]:
        """In a thread: other requests have their turns meanwhile."""
        now_ms = self.clock.now_ms()
        message = read_message(
            parts, self.mappings, self.rates, now_ms, self.limits, self.account_key
        )
        return list(message), message.summary

    async def _take(self, item: Item) -> dict[str, Any]:
        """The answer to one transaction."""
        number = item.number + 1
        for name, value in item.values.items():
            if isinstance(value, str) and holds_card_number(value):
                return {"number": number, **card_number(f"$.{name}").body()}
        if item.faults:
            return {"number": number, **invalid(list(item.faults)).body()}
        transaction = Transaction(**item.values)
        told = {"number": number, "transaction_id": transaction.transaction_id}
        try:
            found = await self.accept(transaction)
        except Problem as problem:
            return {**told, **problem.body()}
        place = {"partition": found.partition, "offset": found.offset}
        again = {"replayed": True} if found.is_replayed else {}
        return {**told, "status": 202, **place, **again}


def _key_of(path: Path | None) -> bytes:
    try:
        key = b"" if path is None else read_regular(path, 4096).strip()
    except OSError as error:
        raise Fatal(
            what=f"the key of account tokens cannot be read: {cause(error)}",
            where=str(path),
            do="give --account-key a file with a secret of 32 random bytes or more",
            exit_code=Exit.INPUT,
        ) from error
    if path is not None and len(key) < 16:
        raise Fatal(
            what=f"the key of account tokens has {len(key)} bytes",
            where=str(path),
            do="give --account-key a file with a secret of 32 random bytes or more",
            exit_code=Exit.INPUT,
        )
    return key


def check_media(request: Request) -> None:
    """Problem where the body is not plain XML in UTF-8 by its headers."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise _media(f"the body is sent as {encoding[:32]}; send it as it is")
    given = request.headers.get("content-type", _XML[0])
    kind, *parameters = (part.strip().lower() for part in given.split(";"))
    charsets = [each.split("=", 1)[1].strip('" ') for each in parameters if "charset=" in each]
    if kind not in _XML or any(each not in ("utf-8", "utf8", "us-ascii") for each in charsets):
        raise _media(f"the body is sent as {given[:64]}; send application/xml in UTF-8")


def _media(detail: str) -> Problem:
    return Problem(
        status=415,
        code="media-type",
        title="The body is of another media type",
        detail=detail,
        headers=(("Accept", _XML[0]),),
    )
