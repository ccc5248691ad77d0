"""The client for asyncio. `synchronous.py` is the same with calls that wait."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2
from typing_extensions import Unpack

from riskstream.client.answers import Accepted, BatchItem, Decision
from riskstream.client.attempts import Answered, Attempts, Pause
from riskstream.client.bodies import LabelBody, TransactionBody
from riskstream.client.errors import BadAnswer, ClientError, NoAnswer, Problem, Refused
from riskstream.client.requests import (
    MAX_BYTES,
    MAX_ITEMS,
    Options,
    Request,
    bodies_of,
    body_of,
    headers_of,
    name_of,
)
from riskstream.domain.contracts.records import Label, Transaction

Credential = str | Callable[[], str] | None
"""An API key or a token; or what gives one, asked for each attempt."""
_MOST_ANSWER = 64 * 2**20
"""Most bytes of an answer that are read."""
_SLACK_S = 1.0
"""Over its deadline a decision has so long for the way and for a repeat."""


class AsyncClient:
    """Calls a gateway at `url`. Use it as a context, or `close` it: it keeps connections.

    `timeout_s` is for a whole call but a decision's, which has its deadline and one second more.
    `http2` needs httpx2[http2]. `verify` is an SSLContext, or False to trust any certificate.
    """

    def __init__(
        self,
        url: str,
        key: Credential = None,
        *,
        timeout_s: float = 10.0,
        connections: int = 20,
        http2: bool = False,
        verify: Any = True,
    ) -> None:
        self._key, self._timeout_s = key, timeout_s
        self._http = httpx2.AsyncClient(
            base_url=url,
            http2=http2,
            verify=verify,
            timeout=None,  # asyncio.timeout ends each attempt
            limits=httpx2.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=15,  # the gateway closes idle connections after 20 s
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def decide(
        self,
        transaction: Transaction | TransactionBody,
        *,
        deadline_ms: int = 150,
        **options: Unpack[Options],
    ) -> Decision:
        """The decision on a transaction, within `deadline_ms` of the gateway's time."""
        options.setdefault("timeout_s", deadline_ms / 1000 + _SLACK_S)
        return Decision.of(
            await self._post("/v1/decisions", body_of(transaction), options, deadline_ms)
        )

    async def accept(
        self, transaction: Transaction | TransactionBody, **options: Unpack[Options]
    ) -> Accepted:
        """Where the transaction stands, once the broker has it."""
        told = await self._post("/v1/transactions", body_of(transaction), options)
        return Accepted.of(told, "transaction_id")

    async def label(self, label: Label | LabelBody, **options: Unpack[Options]) -> Accepted:
        """Where the label stands, once the broker has it."""
        return Accepted.of(await self._post("/v1/labels", body_of(label), options), "label_id")

    async def decision(
        self, transaction_id: str, customer_id: str = "", **options: Unpack[Options]
    ) -> Decision:
        """What a caller was told of a transaction; Refused with 404 where nothing is kept."""
        request = Request(
            method="GET",
            path=f"/v1/decisions/{quote(transaction_id, safe='')}",
            headers=headers_of(options),
            query=(("customer_id", customer_id),) if customer_id else (),
            timeout_s=options.get("timeout_s", self._timeout_s),
        )
        return Decision.of(await self._call(request))

    async def accept_many(
        self,
        transactions: Sequence[Transaction | TransactionBody],
        *,
        most_items: int = MAX_ITEMS,
        most_bytes: int = MAX_BYTES,
        **options: Unpack[Options],
    ) -> list[BatchItem]:
        """What became of each, in order. They are sent in bodies of so many items and bytes at
        most, one after the other; those that Kafka did not take are sent again.

        The error of a body stands in its items, and in those after it. It is raised where none was
        accepted before.
        """
        ends_at = time.monotonic() + options.pop("timeout_s", self._timeout_s)
        own = options.pop("idempotency_key", secrets.token_hex(16))
        out: list[BatchItem] = []
        for first, end, body in bodies_of(transactions, most_items, most_bytes):
            some = transactions[first:end]
            given: Options = {**options, "idempotency_key": f"{own}-{first}"}
            given["timeout_s"] = max(ends_at - time.monotonic(), 0.0)
            try:
                told = await self._post("/v1/transactions:batch", body, given)
            except ClientError as error:
                if not any(each.is_accepted for each in out):
                    raise
                rest = transactions[first:]
                return out + [_failed(error, first + at, each) for at, each in enumerate(rest)]
            out += _items(told, first, [name_of(each) for each in some])
        late = [each.index for each in out if each.problem and each.problem.status == 503]
        if late and any(each.is_accepted for each in out):
            again = [transactions[at] for at in late]
            left: Options = {**options, "timeout_s": ends_at - time.monotonic()}
            await self._again(again, late, out, left)
        return out

    async def _again(
        self,
        transactions: Sequence[Transaction | TransactionBody],
        places: list[int],
        out: list[BatchItem],
        options: Options,
    ) -> None:
        """Send those that Kafka did not take once more; what became of them goes into `out`."""
        if options["timeout_s"] <= 0:
            return
        try:
            found = await self.accept_many(transactions, **options)
        except ClientError:
            return
        for place, each in zip(places, found, strict=True):
            out[place] = BatchItem(
                index=place,
                transaction_id=each.transaction_id,
                accepted=each.accepted,
                problem=each.problem,
            )

    async def _post(self, path: str, body: bytes, options: Options, deadline_ms: int = 0) -> Any:
        headers = headers_of(options, secrets.token_hex(16))
        return await self._call(
            Request(
                method="POST",
                path=path,
                headers=(("Content-Type", "application/json"), *headers),
                body=body,
                deadline_ms=deadline_ms,
                timeout_s=options.get("timeout_s", self._timeout_s),
            )
        )

    async def _call(self, request: Request) -> Any:
        """The JSON of the answer, after as many attempts as fit into the time."""
        attempts = Attempts(request=request, clock=time.monotonic, chance=random.random)
        while True:
            headers = attempts.headers()
            if self._key is not None:
                key = self._key if isinstance(self._key, str) else self._key()
                headers["Authorization"] = f"Bearer {key}"
            try:
                async with asyncio.timeout(attempts.left_s):
                    found = attempts.read(await self._send(request, headers))
            except TimeoutError:
                words = f"no answer within {request.timeout_s:g} s"
                raise attempts.failed(NoAnswer(words)) from None
            except httpx2.TransportError as error:
                found = attempts.lost(error)
            except httpx2.DecodingError:
                words = "the answer is not compressed as its headers say"
                raise attempts.failed(BadAnswer(words)) from None
            if not isinstance(found, Pause):
                return found
            await asyncio.sleep(found.seconds)

    async def _send(self, request: Request, headers: dict[str, str]) -> Answered:
        parts, size = [], 0
        async with self._http.stream(
            request.method,
            request.path,
            params=request.query or None,
            headers=headers,
            content=request.body,
        ) as answer:
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > _MOST_ANSWER:
                    raise BadAnswer(f"the answer has more than {_MOST_ANSWER:,} bytes")
                parts.append(part)
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Answered(status=answer.status_code, headers=named, body=b"".join(parts))


def _items(told: Any, first: int, names: list[str]) -> list[BatchItem]:
    items = told.get("items") if isinstance(told, dict) else None
    if not isinstance(items, list) or len(items) != len(names):
        raise BadAnswer(f"the answer has no {len(names):,} items")
    found = [BatchItem.of(each, first, name) for each, name in zip(items, names, strict=True)]
    if [each.index for each in found] != list(range(first, first + len(names))):
        raise BadAnswer("the items of the answer are in another order")
    return found


def _failed(error: ClientError, index: int, record: Any) -> BatchItem:
    """An item whose body failed."""
    told = {"title": "It was not sent", "detail": str(error)}
    problem = error.problem if isinstance(error, Refused) else Problem.of(0, told)
    return BatchItem(index=index, transaction_id=name_of(record), problem=problem)
