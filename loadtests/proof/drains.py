"""Every service drains a backlog of transactions and labels: cold, and again after all of them were
killed in the middle.

Scores, alerts and customers' states are compared with the oracle of `loadtests/chaos`. Profiles are
compared with one of their own here: plain Python, which shares nothing with the product but the
record codec and the hash of an id.
"""

import os
import random
import signal
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.chaos.check import Findings, Read, check, read_all
from loadtests.chaos.load import Rows, make_rows
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.workbench.local.chain import Chain

COUNT = 500_000
LABEL_SHARE = 0.05
SERVICES = ("scorer", "tracker", "profiler", "reporter")
GROUPS = {
    "scorer": ("transactions.v1",),
    "tracker": ("scores.v1",),
    "profiler-shuffle": ("transactions.v1", "labels.v1"),
    "profiler": ("profile-events.v1",),
}
DRAIN_S = 900.0
REPEATS_TOLD = 16
COMPARED_MS = 20 * DAY_MS
"""Tiles that end so long before the latest event, or later, are held by every window."""
_SHARED = (
    "transaction_id",
    "customer_id",
    "occurred_at",
    "base_currency",
    "terminal_id",
    "device_id",
)
"""What a label says as its transaction does."""
Found = tuple[Counter[str], list[str]]


def drains(folder: Path, model: Path, seed: int, *, count: int = COUNT) -> Found:
    """Both runs, each on a cluster of its own; counts begin with `cold_` and `killed_`."""
    counts: Counter[str] = Counter()
    problems: list[str] = []
    for name, is_killed in (("cold", False), ("killed", True)):
        found = _run(folder / name, model, seed, count, is_killed=is_killed)
        counts.update({f"{name}_{key}": value for key, value in found.counts.items()})
        problems += [f"{name}: {each}" for each in found.problems]
    return counts, problems


def _run(folder: Path, model: Path, seed: int, count: int, *, is_killed: bool) -> Findings:
    rows = make_rows(count, seed)
    env = {
        "RISKSTREAM_PROFILER_FEATURES": "standard-profiles",
        "RISKSTREAM_REPORTER_EVERY_S": "10",
    }
    with Chain(folder, model, names=(), env=env) as chain:
        kafka = chain.stack.kafka
        producer = BulkProducer(kafka, "drains")
        producer.send("transactions.v1", rows.keys, rows.values)
        labels = list(_labels(rows, seed))
        producer.send("labels.v1", [key for key, _ in labels], [frame for _, frame in labels])
        producer.flush(120)
        started = time.monotonic()
        for name in SERVICES:
            chain.start(name)
        problems = []
        if is_killed:
            _wait(chain, 0.4)
            for name in SERVICES:
                os.kill(chain.services[name].server.pid, signal.SIGKILL)
            time.sleep(8)  # their group sessions end
            for name in SERVICES:
                chain.start(name)
        if (share := _wait(chain, 1.0)) < 1.0:
            problems.append(f"not drained within {DRAIN_S:.0f} s: {share:.0%}")
        drained_s = time.monotonic() - started
        problems += [
            f"{each.name} ended by itself: {each.server.failure()}"
            for each in chain.services.values()
            if not each.server.is_running
        ]
        _wait_for_report(chain, problems)
        for service in chain.services.values():
            service.server.stop()
        found = check(kafka, model, rows.poison, [])
        profiles_differ(found, partial(read_all, kafka), rows)
    found.counts.update(sent=len(rows.keys), labels=len(labels), drain_seconds=round(drained_s))
    found.problems[:0] = problems
    return found


def _labels(rows: Rows, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, frame) of labels of some of the transactions, a third of them said twice by different
    people.
    """
    rng = random.Random(seed)
    transactions, labels = codec("transaction.v1"), codec("label.v1")
    for key, value in zip(rows.keys, rows.values, strict=True):
        if value in rows.poison or rng.random() > LABEL_SHARE:
            continue
        of = transactions.decode(value)
        for source in ("CUSTOMER", "CHARGEBACK")[: 1 + (rng.random() < 1 / 3)]:
            label = {
                **{name: of[name] for name in _SHARED},
                "label_id": f"{of['transaction_id']}-{source}",
                "source": source,
                "outcome": rng.choice(("FRAUD", "GENUINE")),
                "known_at": of["occurred_at"] + rng.randrange(DAY_MS),
                "loss_minor": 0,
            }
            yield key, labels.encode(label)


def _wait(chain: Chain, share: float) -> float:
    """Return when every group has done so much of its topics, or the time is over; the least share
    done.
    """
    admin = TopicAdmin(chain.stack.kafka)
    end = time.monotonic() + DRAIN_S
    least = 0.0
    while time.monotonic() < end and all(
        each.server.is_running for each in chain.services.values()
    ):
        shares = []
        for group, names in GROUPS.items():
            done = admin.group_offsets(group)
            for topic in names:
                ends = admin.end_offsets(topic, DEFAULT_PARTITIONS)
                reached = sum(
                    min(done.get((topic, number), 0), at) for number, at in enumerate(ends)
                )
                shares.append(reached / sum(ends) if sum(ends) else 0.0)
        least = min(shares)
        if least >= share:
            time.sleep(3)  # what the last records led to is written
            return least
        time.sleep(1)
    return least


def _wait_for_report(chain: Chain, problems: list[str]) -> None:
    """The reporter writes reports, and none of them differs from its control totals."""
    end = time.monotonic() + 120
    text = ""
    while time.monotonic() < end and _value(text, "riskstream_reporter_reports_total") == 0:
        time.sleep(1)
        with urllib.request.urlopen(
            f"{chain.services['reporter'].telemetry}/metrics", timeout=10
        ) as answer:
            text = answer.read().decode()
    if _value(text, "riskstream_reporter_reports_total") == 0:
        problems.append("no report within 120 s")
    if _value(text, "riskstream_reporter_unreconciled_total"):
        problems.append("a report differs from its control totals")


def _value(text: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def profiles_differ(found: Findings, read: Read, rows: Rows) -> None:
    """The shuffle's events are those of the good transactions; the profiles' tiles are the fold of
    the events.
    """
    fields = {entity.name: entity.key for entity in STANDARD_PROFILES.profiles}
    transactions = codec("transaction.v1")
    expected: Counter[tuple[str, str]] = Counter()
    for value in rows.values:
        if value not in rows.poison:
            said = transactions.decode(value)
            if said["corrects"] is not None:  # a profile keeps what was said first
                continue
            expected.update(
                (name, said[key]) for name, key in fields.items() if said[key] is not None
            )
    events = list(_events(read))
    seen = Counter((each["entity"], each["key"]) for each in events if each["kind"] == "EVENT")
    found.counts.update(profile_events=sum(seen.values()))
    for key in expected.keys() | seen.keys():
        if expected[key] != seen[key]:
            found.wrong("profile_events_differ", f"{key}: {seen[key]}, must be {expected[key]}")
    clock = max(each["occurred_at"] for each in events if each["kind"] == "EVENT")
    wanted, held = _fold(events), _held(read)
    nothing = (0, 0, 0)
    for tile in wanted.keys() | held.keys():
        has, must = held.get(tile, nothing), wanted.get(tile, nothing)
        if tile[2] > clock - COMPARED_MS and has != must:
            found.wrong("profile_tiles_differ", f"{tile}: {has}, must be {must}")
        found.counts["profile_tiles"] += tile[2] > clock - COMPARED_MS


def _events(read: Read) -> Iterator[dict[str, Any]]:
    """Profile events as the reader's rule accepts them: of each source partition, kind and index in
    rising order.
    """
    frames, newest = codec("profile-event.v1"), dict[tuple[Any, ...], int]()
    for record in read("profile-events.v1"):
        event = frames.decode(record.value)
        series = (record.partition, event["src_partition"], event["src_index"], event["kind"])
        if event["src"] > newest.get(series, -1):
            newest[series] = event["src"]
            yield event


def _fold(events: list[dict[str, Any]]) -> dict[tuple[str, str, int], tuple[int, int, int]]:
    """(count, sum, frauds) of each (entity, key, end of the tile)."""
    tiles: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    last: dict[tuple[str, str], list[int]] = defaultdict(list)
    best: dict[tuple[str, str, int], tuple[tuple[int, int, int], bool]] = {}
    for event in events:
        key = event["entity"], event["key"]
        if event["kind"] == "EVENT" and event["transaction_kind"] == "REFUND":
            continue
        # a tile holds its end and not its begin
        tile = tiles[(*key, -(-event["occurred_at"] // HOUR_MS) * HOUR_MS)]
        if event["kind"] == "EVENT":
            if event["transaction_hash"] not in last[key]:
                last[key] = [*last[key], event["transaction_hash"]][-REPEATS_TOLD:]
                tile[0] += 1
                tile[1] += event["amount_minor"]
            continue
        rank = {"CHARGEBACK": 4, "ANALYST": 3, "CUSTOMER": 2, "IMPORT": 1, "UNKNOWN": 0}[
            event["source"]
        ]
        stands = (rank, event["known_at"], event["outcome"] != "FRAUD")
        before, was = best.get((*key, event["transaction_hash"]), ((-1, 0, 0), False))
        if stands > before:
            best[(*key, event["transaction_hash"])] = (stands, event["outcome"] == "FRAUD")
            tile[2] += (event["outcome"] == "FRAUD") - was
    return {key: (tile[0], tile[1], tile[2]) for key, tile in tiles.items() if any(tile)}


def _held(read: Read) -> dict[tuple[str, str, int], tuple[int, int, int]]:
    """What profile-state.v1 says last, in the same form."""
    frames, newest = codec("profile-state.v1"), dict[tuple[int, bytes], dict[str, Any]]()
    for record in read("profile-state.v1"):
        assert record.key is not None
        if record.value is None:
            newest.pop((record.partition, record.key), None)
        else:
            newest[(record.partition, record.key)] = frames.decode(record.value)
    return {
        (state["entity"], state["key"], end): (count, total, frauds)
        for state in newest.values()
        if state["entity"] and state["ends"]
        for end, count, total, frauds in zip(
            state["ends"], state["counts"], state["sums"], state["frauds"], strict=True
        )
        if count or total or frauds
    }
