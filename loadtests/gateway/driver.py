"""An open-loop driver of the HTTP door, a process of its own: requests come when they are due,
whatever became of those before. Prints one line of JSON a request.

`python -m loadtests.gateway.driver URL PATH RATE SECONDS TAG`
"""

import asyncio
import json
import sys
import time

import aiohttp

CONNECTIONS = 2000
PATIENCE_S = 30


class Driver:
    """`rate`: requests a second. Ids begin with `tag`."""

    def __init__(self, url: str, path: str, rate: float, seconds: float, tag: str) -> None:
        self._url, self._rate, self._tag = url + path, rate, tag
        self._count = round(rate * seconds)

    async def run(self) -> None:
        """Send all of them; return when each is answered, or given up."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            began, waiting = time.perf_counter() + 0.1, set()
            for number in range(self._count):
                due = began + number / self._rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                task = asyncio.create_task(self._ask(session, number, due))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
            await asyncio.gather(*waiting)

    async def _ask(self, session: aiohttp.ClientSession, number: int, due: float) -> None:
        name, said = f"{self._tag}-{number}", {}
        try:
            async with session.post(self._url, json=self._body(name, number)) as answer:
                status, said = answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            status, said = 0, {"detail": repr(error)}
        kept = ("rung", "flags", "decision", "partition", "offset", "elapsed_ms", "detail")
        line = {key: said[key] for key in kept if key in said}
        took_ms = (time.perf_counter() - due) * 1000
        print(json.dumps({"id": name, "status": status, "took_ms": took_ms, **line}))

    def _body(self, name: str, number: int) -> dict[str, object]:
        return {
            "transaction_id": name,
            "customer_id": f"{self._tag}-c{number % 500}",
            "account_token": "tok",
            "channel": "ECOM",
            "kind": "PURCHASE",
            "amount_minor": 1000 + number % 9777,
            "currency": "EUR",
            "occurred_at": int(time.time() * 1000),
        }


def main() -> None:
    url, path, rate, seconds, tag = sys.argv[1:6]
    asyncio.run(Driver(url, path, float(rate), float(seconds), tag).run())


if __name__ == "__main__":
    main()
