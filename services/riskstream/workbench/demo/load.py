"""The HTTP driver, a process of its own: posts a file's transactions at a rate, open loop; prints
its counts as JSON.

`python -m riskstream.workbench.demo.load URL FILE FIRST COUNT RATE`
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import pyarrow.parquet as pq

CONNECTIONS = 64
LEFT_OUT = {
    "is_fraud",
    "attack",
    "label_known_at",
    "base_amount_minor",
    "base_currency",
    "rates_version",
}


async def drive(url: str, file: Path, first: int, count: int, rate: float) -> dict[str, float]:
    """Post rows first..first+count-1 to `url`, one each 1/rate s whatever the answers do."""
    table = pq.read_table(file).slice(first, count)
    names = [name for name in table.column_names if name not in LEFT_OUT]
    bodies = [json.dumps(row).encode() for row in table.select(names).to_pylist()]
    statuses: dict[int, int] = {}
    took_ms: list[float] = []
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=30)
    ) as session:

        async def post(body: bytes, due: float) -> None:
            try:
                async with session.post(
                    url, data=body, headers={"Content-Type": "application/json"}
                ) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            statuses[status] = statuses.get(status, 0) + 1
            took_ms.append((time.perf_counter() - due) * 1000)

        started = time.perf_counter()
        waiting = set()
        for index, body in enumerate(bodies):
            due = started + index / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(post(body, due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        elapsed = time.perf_counter() - started
    took_ms.sort()
    return {
        "accepted": statuses.get(202, 0) + statuses.get(200, 0),
        "refused": len(bodies) - statuses.get(202, 0) - statuses.get(200, 0),
        "seconds": elapsed,
        "answer_p50_ms": took_ms[len(took_ms) // 2],
        "answer_p99_ms": took_ms[int(len(took_ms) * 0.99)],
    }


if __name__ == "__main__":
    url, file, first, count, rate = sys.argv[1:6]
    print(json.dumps(asyncio.run(drive(url, Path(file), int(first), int(count), float(rate)))))
