"""The gateway while what is behind it is gone: every caller is answered, in time, and nothing that
was accepted is lost.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import rss_mib

Found = tuple[Counter[str], list[str]]
Said = list[dict[str, Any]]
DEADLINE_MS, RATE = 150, 200
MOST_GROWTH_MIB, MOST_WAIT_MS = 64, 2000


def scorer_away(folder: Path, model: Path, _seed: int) -> Found:
    """The only scorer killed for 30 s under 200 decisions a second."""
    with Chain(folder / "chain", model, names=("scorer", "gateway")) as chain:
        driver = Driven(chain, f"/v1/decisions?deadline_ms={DEADLINE_MS}", RATE, 60, "s")
        time.sleep(10)
        _kill(chain, "scorer")
        time.sleep(30)
        chain.start("scorer")
        said = driver.ended()
        counts, problems = judge_decisions(said)
        if not counts["rung_rules"]:
            problems.append("the schedule did not hurt: the ladder decided nothing")
        compare(chain, said, counts, problems)
    return counts, problems


def broker_away(folder: Path, model: Path, _seed: int) -> Found:
    """The only broker stands still for a minute under decisions and plain transactions."""
    with Chain(folder / "chain", model, names=("scorer", "gateway")) as chain:
        cluster = chain.stack.cluster
        assert cluster is not None
        pid = chain.services["gateway"].server.pid
        path = f"/v1/decisions?deadline_ms={DEADLINE_MS}"
        decisions = Driven(chain, path, 50, 90, "b")
        plain = Driven(chain, "/v1/transactions", 50, 90, "p")
        time.sleep(15)
        before = rss_mib(pid)
        os.kill(cluster.servers[0].pid, signal.SIGSTOP)
        peak = before
        for _ in range(60):
            time.sleep(1)
            peak = max(peak, rss_mib(pid))
        os.kill(cluster.servers[0].pid, signal.SIGCONT)
        said, answers = decisions.ended(), plain.ended()
        counts, problems = judge_decisions(said)
        counts["growth_mib"] = round(peak - before)
        counts["accepted"] = sum(each["status"] == 202 for each in answers)
        counts["refused"] = sum(each["status"] == 503 for each in answers)
        counts["slowest_ms"] = round(max(each["took_ms"] for each in [*said, *answers]))
        others = Counter(each["status"] for each in answers if each["status"] not in (202, 503))
        if others:
            problems.append(f"plain transactions were answered {dict(others)}")
        if not counts["refused"] or not counts["rung_rules"]:
            problems.append("the schedule did not hurt: nothing was refused, or no rung was taken")
        if counts["slowest_ms"] > MOST_WAIT_MS:
            problems.append(f"an answer came after {counts['slowest_ms']} ms")
        if counts["growth_mib"] > MOST_GROWTH_MIB:
            problems.append(f"the gateway grew by {counts['growth_mib']} MiB")
        compare(chain, [*said, *answers], counts, problems)
    return counts, problems


def bulk_beside(folder: Path, model: Path, _seed: int) -> Found:
    """Decisions beside eight callers of the dearest batches there are: 10,000 objects each of which
    every field is wrong.
    """
    with Chain(folder / "chain", model, names=("scorer", "gateway")) as chain:
        body = b"[" + b",".join([b"{}"] * 10_000) + b"]"
        driver = Driven(chain, f"/v1/decisions?deadline_ms={DEADLINE_MS}", 50, 40, "d")
        time.sleep(5)
        end = time.monotonic() + 30
        with ThreadPoolExecutor(8) as callers:
            statuses = list(callers.map(lambda _: _post_until(chain, body, end), range(8)))
        said = driver.ended()
        counts, problems = judge_decisions(said)
        for found in statuses:
            counts.update({f"batches_{status}": count for status, count in found.items()})
        if not counts["batches_200"]:
            problems.append("the schedule did not hurt: no batch was read")
        compare(chain, said, counts, problems)
    return counts, problems


def _post_until(chain: Chain, body: bytes, end: float) -> Counter[int]:
    """Statuses of batches that are posted one after the other until then."""
    found = Counter[int]()
    where = urllib.parse.urlsplit(chain.gateway).netloc
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(where, timeout=60)
        connection.request(
            "POST", "/v1/transactions:batch", body, {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        connection.close()
        found[answer.status] += 1
    return found


class Driven:
    """A driver under way."""

    def __init__(self, chain: Chain, path: str, rate: float, seconds: float, tag: str) -> None:
        command = [sys.executable, "-m", "loadtests.gateway.driver", chain.gateway, path]
        command += [str(rate), str(seconds), tag]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def ended(self) -> Said:
        """Each request's line, once all are answered."""
        out, _ = self._process.communicate(timeout=300)
        return [json.loads(line) for line in out.splitlines()]


def judge_decisions(said: Said) -> Found:
    """Every one is answered 200 with a decision, in time by the gateway's own clock."""
    counts, problems = Counter[str](), list[str]()
    counts["decisions"] = len(said)
    counts["not_answered"] = sum(each["status"] != 200 for each in said)
    for each in said:
        if each["status"] == 200:
            counts[f"rung_{each['rung'].lower()}"] += 1
    over = sorted(each["elapsed_ms"] - DEADLINE_MS for each in said if "elapsed_ms" in each)
    counts["over_by_5_ms"] = sum(each > 5 for each in over)
    counts["over_by_50_ms"] = sum(each > 50 for each in over)
    if counts["not_answered"]:
        first = next(each for each in said if each["status"] != 200)
        problems.append(f"{counts['not_answered']} were not answered: {first}")
    if counts["over_by_5_ms"] > len(said) / 1000:
        problems.append(f"{counts['over_by_5_ms']} of {len(said)} were more than 5 ms late")
    if counts["over_by_50_ms"]:
        problems.append(f"{counts['over_by_50_ms']} were more than 50 ms late")
    return counts, problems


def compare(chain: Chain, said: Said, counts: Counter[str], problems: list[str]) -> None:
    """What callers were told with what is in the topics, once all is scored."""
    kafka = chain.stack.kafka
    admin = TopicAdmin(kafka)
    _until(lambda: _is_done(admin), "transactions are not scored")
    scored = _scored(kafka)
    accepted = {
        (each["partition"], each["offset"])
        for each in said
        if each["status"] in (200, 202) and each.get("offset") is not None
    }
    counts["accepted_lost"] = len(accepted - scored)
    told = {each["id"]: each["decision"] for each in said if each.get("decision")}
    _until(lambda: told.keys() <= _recorded(kafka).keys(), "answers are not recorded")
    recorded = _recorded(kafka)
    counts["answers_differ"] = sum(recorded.get(each) != told[each] for each in told)
    for name in ("accepted_lost", "answers_differ"):
        if counts[name]:
            problems.append(f"{name} {counts[name]}")


def _is_done(admin: TopicAdmin) -> bool:
    ends = admin.end_offsets("transactions.v1", DEFAULT_PARTITIONS)
    done = admin.group_offsets("scorer")
    return all(done.get(("transactions.v1", n), 0) >= at for n, at in enumerate(ends))


def _scored(kafka: str) -> set[tuple[int, int]]:
    with TopicReader(kafka, [SCORES], committed_only=False) as reader:
        found = AcceptedScores().each(reader.until_end(60))
        return {(record.partition, score.src) for record, score in found}


def _recorded(kafka: str) -> dict[str, str | None]:
    with TopicReader(kafka, ["answers.v1"]) as reader:
        rows = [codec("answer.v1").decode(each.value) for each in reader.until_end(60)]
    return {each["transaction_id"]: each["decision"] for each in rows}


def _until(is_so: Callable[[], bool], what: str, deadline_s: float = 90) -> None:
    end = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.5)


def _kill(chain: Chain, name: str) -> None:
    server = chain.services[name].server
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
