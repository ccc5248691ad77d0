"""An open-loop driver of the HTTP door, a process of its own: requests come when they are due,
whatever became of those before. Prints one line of JSON a request, once all are answered.

It writes HTTP by itself over kept connections: a client library takes more of a core than the
gateway.

`python -m loadtests.gateway.driver URL PATH RATE SECONDS TAG`
"""

import asyncio
import json
import sys
import time
import urllib.parse
from typing import Any, cast

import uvloop

PATIENCE_S = 30.0
_BODY = (
    '{"transaction_id":"%s","customer_id":"%s-c%d","account_token":"tok","channel":"ECOM",'
    '"kind":"PURCHASE","amount_minor":%d,"currency":"EUR","occurred_at":%d}'
)
_LABEL = (
    '{"label_id":"%s","transaction_id":"%s","customer_id":"%s-c%d","outcome":"GENUINE",'
    '"source":"IMPORT","occurred_at":%d}'
)
_MESSAGE = (
    '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"><FIToFICstmrCdtTrf>'
    "<GrpHdr><MsgId>%s</MsgId><CreDtTm>%s</CreDtTm><NbOfTxs>1</NbOfTxs></GrpHdr><CdtTrfTxInf>"
    "<PmtId><EndToEndId>e</EndToEndId><TxId>%s</TxId></PmtId>"
    '<IntrBkSttlmAmt Ccy="EUR">%d.00</IntrBkSttlmAmt>'
    "<DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>"
    "<CdtrAcct><Id><IBAN>GB29NWBK60161331926819</IBAN></Id></CdtrAcct>"
    "</CdtTrfTxInf></FIToFICstmrCdtTrf></Document>"
)
_KEPT = ("rung", "flags", "decision", "partition", "offset", "elapsed_ms", "detail")


class Connection(asyncio.Protocol):
    """One kept connection: a request at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.is_open = cast(asyncio.Transport, transport), True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        lines = head.decode("latin-1").lower().split("\r\n")
        size = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(lines[0].split(" ")[1]), rest[:size]))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """(status, body)."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        async with asyncio.timeout(PATIENCE_S):
            return await self._answer


class Driver:
    """`rate`: requests a second, each with so many `items`. Ids begin with `tag`."""

    def __init__(
        self,
        url: str,
        path: str,
        rate: float,
        seconds: float,
        tag: str,
        *,
        items: int = 1,
        key: str = "",
    ) -> None:
        where = urllib.parse.urlsplit(url)
        self._host, self._port = str(where.hostname), int(where.port or 80)
        self._path, self._items = path, items
        media = "xml" if "iso20022" in path else "json"
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/{media}\r\n"
        ) + (f"Authorization: Bearer {key}\r\n" if key else "")
        self._rate, self._count, self._tag = rate, round(rate * seconds), tag
        self._spare: list[Connection] = []
        self.said: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Send all of them; return when each is answered, or given up."""
        began, waiting = time.perf_counter() + 0.1, set()
        for number in range(self._count):
            due = began + number / self._rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._ask(number, due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)

    async def _ask(self, number: int, due: float) -> None:
        name = f"{self._tag}-{number}"
        body = self._body(name, number)
        request = f"{self._head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        said: dict[str, Any] = {}
        try:
            connection = await self._connection()
            status, raw = await connection.ask(request)
            said = json.loads(raw)
            self._spare.append(connection)
        except (OSError, TimeoutError, ValueError) as error:
            status, said = 0, {"detail": repr(error)}
        took_ms = (time.perf_counter() - due) * 1000
        kept = {key: said[key] for key in _KEPT if key in said}
        self.said.append({"id": name, "status": status, "took_ms": took_ms, **kept})

    def _body(self, name: str, number: int) -> str:
        now_ms = int(time.time() * 1000)
        if "iso20022" in self._path:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            return _MESSAGE % (name, at, name, 1 + number % 97)
        if "labels" in self._path:
            return _LABEL % (name, name, self._tag, number % 500, now_ms)
        names = [name] if self._items == 1 else [f"{name}-{at}" for at in range(self._items)]
        bodies = [
            _BODY % (each, self._tag, (number + at) % 500, 1000 + number % 9777, now_ms)
            for at, each in enumerate(names)
        ]
        return bodies[0] if "batch" not in self._path else f"[{','.join(bodies)}]"

    async def _connection(self) -> Connection:
        while self._spare:
            if (connection := self._spare.pop()).is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port)
        return connection


def main() -> None:
    url, path, rate, seconds, tag = sys.argv[1:6]
    driver = Driver(url, path, float(rate), float(seconds), tag)
    uvloop.run(driver.run())
    for each in driver.said:
        print(json.dumps(each))


if __name__ == "__main__":
    main()
