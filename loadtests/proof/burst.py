"""Ten times the usual for a minute: decisions stay in time, bulk is shed, memory stays bounded."""

import http.client
import itertools
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from loadtests.proof.outages import (
    DEADLINE_MS,
    MOST_GROWTH_MIB,
    Driven,
    compare,
    judge_decisions,
)
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import rss_mib

Found = tuple[Counter[str], list[str]]
USUAL, TIMES, BURST_S = 20, 10, 60
BULK_CALLERS, BATCH = 16, 1000
"""Callers of batches, each of whom sends the next one as soon as it is answered, or shed."""
_SHED_S = 0.1


def burst(folder: Path, model: Path, _seed: int) -> Found:
    """20 decisions and 20 transactions a second, then ten times as many with 16 callers of batches
    of 1,000, for 60 s.
    """
    path = f"/v1/decisions?deadline_ms={DEADLINE_MS}"
    with Chain(folder / "chain", model, names=("scorer", "gateway")) as chain:
        pid = chain.services["gateway"].server.pid
        usual = Driven(chain, path, USUAL, BURST_S + 40, "u")
        time.sleep(20)
        before = peak = rss_mib(pid)
        more = USUAL * (TIMES - 1)
        decisions = Driven(chain, path, more, BURST_S, "d")
        plain = Driven(chain, "/v1/transactions", USUAL * TIMES, BURST_S, "p")
        end = time.monotonic() + BURST_S
        with ThreadPoolExecutor(BULK_CALLERS) as callers:
            bulk = [callers.submit(_bulk, chain, n, end) for n in range(BULK_CALLERS)]
            while time.monotonic() < end:
                time.sleep(1)
                peak = max(peak, rss_mib(pid))
            statuses = [each.result() for each in bulk]
        answers, said = plain.ended(), [*usual.ended(), *decisions.ended()]
        counts, problems = judge_decisions(said)
        for found in statuses:
            counts.update({f"batches_{status}": count for status, count in found.items()})
        counts.update(Counter(f"plain_{each['status']}" for each in answers))
        counts["growth_mib"] = round(peak - before)
        counts["deadline_ms"] = DEADLINE_MS
        others = [name for name in counts if name.startswith("batches_")]
        if not counts["batches_429"] or not counts["batches_200"]:
            problems.append("the schedule did not hurt: no batch was shed, or none was taken")
        if {*others} - {"batches_200", "batches_429", "batches_503"}:
            problems.append(f"batches were answered {others}")
        if counts["growth_mib"] > MOST_GROWTH_MIB:
            problems.append(f"the gateway grew by {counts['growth_mib']} MiB")
        if chain.services["gateway"].server.pid != pid:
            problems.append("the gateway ended")
        compare(chain, [*said, *answers], counts, problems)
    return counts, problems


def _bulk(chain: Chain, caller: int, end: float) -> Counter[int]:
    """Statuses of batches that are posted one after the other until then."""
    found = Counter[int]()
    where, bodies = urllib.parse.urlsplit(chain.gateway).netloc, _bodies(caller)
    connection = http.client.HTTPConnection(where, timeout=60)
    while time.monotonic() < end:
        head = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/transactions:batch", next(bodies), head)
        answer = connection.getresponse()
        answer.read()
        found[answer.status] += 1
        if answer.status != 200:
            time.sleep(_SHED_S)
    connection.close()
    return found


def _bodies(caller: int) -> Iterator[bytes]:
    """Each with ids of its own, made with little CPU: it is the services' too."""
    rows = ",".join(
        '{"account_token":"tok","channel":"ECOM","kind":"PURCHASE","amount_minor":100,'
        f'"currency":"EUR","customer_id":"bulk-{caller}-{at % 200}",'
        f'"transaction_id":"bulk-{caller}-BATCH-{at}","occurred_at":NOW}}'
        for at in range(BATCH)
    )
    for batch in itertools.count():
        now_ms = str(int(time.time() * 1000))
        yield f"[{rows}]".replace("BATCH", str(batch)).replace("NOW", now_ms).encode()
