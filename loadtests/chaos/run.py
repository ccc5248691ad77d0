"""One run: start, hurt for so many minutes, let it settle, check, write the result."""

import json
import platform
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from loadtests.chaos.check import Findings, check
from loadtests.chaos.cluster import Cluster
from loadtests.chaos.history import History
from loadtests.chaos.load import Load, make_rows
from loadtests.chaos.mischief import Mischief
from loadtests.chaos.reader import ConcurrentReader
from loadtests.chaos.schedule import plan
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Retryable

SETTLE_S = 180.0
BURST_MARGIN_PER_MINUTE = 9000


def run_chaos(
    folder: Path, model: Path, *, minutes: float, seed: int, rate: float, runtime: str
) -> dict[str, Any]:
    """The result, as written to `folder`/result.json; `history.txt` beside it is for a person."""
    shutil.rmtree(folder, ignore_errors=True)
    history = History(folder)
    started = time.monotonic()
    rows = make_rows(int(minutes * (60 * rate + BURST_MARGIN_PER_MINUTE)), seed)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with Cluster(folder / "cluster", model, runtime=runtime) as cluster:
        kafka = cluster.chain.stack.kafka
        history.note(
            "running",
            kafka=kafka,
            rate=rate,
            seed=seed,
            machine=platform.machine(),
            runtime=runtime,
        )
        load, reader = Load(kafka, rows, rate), ConcurrentReader(kafka)
        load.start()
        reader.start()
        problems += _hurt(cluster, load, reader, history, counts, seed, minutes)
        history.note("the load ends")
        cluster.resume_all()
        load.finish()
        cluster.wait_ready()
        settle(cluster, history, problems)
        reader.finish()
        counts["rebalances"] = cluster.rebalances()
        for service in cluster.chain.services.values():
            service.server.stop()  # SIGTERM: what is in memory is written
        history.note("checking", sent=load.sent)
        found = check(kafka, model, rows.poison, reader.accepted)
    counts += Counter({"sent": load.sent, "reader_restarts": reader.restarts})
    problems += [each for each in (load.problem, reader.problem) if each] + found.problems
    vacuous = _vacuous(counts, found, minutes) if runtime == "lane" else []
    all_counts = {**dict(sorted(counts.items())), **dict(sorted(found.counts.items()))}
    ok = not problems and not vacuous
    result = {
        "name": "chaos",
        "ok": ok,
        "seconds": round(time.monotonic() - started, 1),
        "seed": seed,
        "counts": all_counts,
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    words = [
        *(f"WRONG  {each}" for each in problems),
        *(f"VACUOUS  {each}" for each in vacuous),
    ] or ["nothing is wrong"]
    (folder / "history.txt").write_text(
        history.text() + "\n" + "\n".join(words) + "\n\n" + json.dumps(result, indent=2) + "\n"
    )
    history.close()
    return {**result, "problems": words}


def _hurt(
    cluster: Cluster,
    load: Load,
    reader: ConcurrentReader,
    history: History,
    counts: Counter[str],
    seed: int,
    minutes: float,
) -> list[str]:
    """Both trains of episodes until the time is over."""
    stop, until = threading.Event(), time.monotonic() + 60 * minutes
    problems: list[str] = []

    def ride(train: list[Any]) -> None:
        try:
            Mischief(cluster, load, reader, history, counts).run(train, until, stop)
        except Exception as error:
            problems.append(f"the driver itself failed: {type(error).__name__} {error}")
            stop.set()

    trains = [threading.Thread(target=ride, args=(train,)) for train in plan(seed, minutes)]
    for train in trains:
        train.start()
    for train in trains:
        train.join()
    while time.monotonic() < until and not stop.is_set():
        time.sleep(0.2)
    return problems


def settle(cluster: Cluster, history: History, problems: list[str]) -> None:
    """Wait until every record has been answered and the tracker has read every answer."""
    admin = TopicAdmin(cluster.chain.stack.kafka)
    end = time.monotonic() + SETTLE_S
    started = time.monotonic()
    while time.monotonic() < end:
        try:
            source = admin.end_offsets("transactions.v1", DEFAULT_PARTITIONS)
            scores = admin.end_offsets("scores.v1", DEFAULT_PARTITIONS)
            scored, tracked = admin.group_offsets("scorer"), admin.group_offsets("tracker")
            done = all(scored.get(("transactions.v1", n), 0) >= at for n, at in enumerate(source))
            if done and all(tracked.get(("scores.v1", n), 0) >= at for n, at in enumerate(scores)):
                history.note("settled", seconds=round(time.monotonic() - started, 1))
                time.sleep(2)
                return
        except Retryable:
            pass
        for name in cluster.restart_ended():
            history.note("ended by itself", name=name)
        time.sleep(0.5)
    problems.append(
        f"not settled within {SETTLE_S:.0f} s: a partition is held, or a service does not move"
    )


def _vacuous(counts: Counter[str], found: Findings, minutes: float) -> list[str]:
    """Why the run proves too little; in proportion for runs shorter than ten minutes."""
    share = min(minutes / 10, 1.0)
    raw, degraded = found.counts["raw_duplicates"], found.counts["degraded"]
    wanted = {
        "kills": (counts["kills"], max(1, int(20 * share))),
        "pauses beyond the session timeout": (
            counts["pauses_beyond_session"],
            max(1, int(5 * share)),
        ),
        "raw duplicates dropped by readers": (raw, 1 if minutes < 2 else int(1000 * share)),
    }
    if minutes >= 2:
        wanted |= {
            "rebalances": (counts["rebalances"], max(1, int(5 * share))),
            "times the store went back": (counts["store_goes_back"], 1),
            "records appended late": (counts["late_appends"], 1),
            "checkpoints of the dead": (counts["zombie_checkpoints"], 0 if minutes < 3 else 1),
            "poisonous records": (found.counts["poison"], 1),
        }
    out = [
        f"{has} {what}, {least} are asked for"
        for what, (has, least) in wanted.items()
        if has < least
    ]
    if minutes >= 2 and degraded > 0.02 * max(found.counts["scores_accepted"], 1):
        out.append(
            f"{degraded} of {found.counts['scores_accepted']} scores are degraded, 2 % are allowed"
        )
    return out
