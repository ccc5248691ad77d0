"""Scorers come and go as an autoscaler moves them: 2, 4, 2 under load; how long each drains and
each partition pauses.
"""

import time
from collections import Counter
from pathlib import Path

from loadtests.chaos.cluster import SCORERS
from loadtests.proof.stage import Stage, play
from riskstream.platform.kafka.accepted import SCORES, AcceptedScores
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.services import wait_ready

MAX_DRAIN_MS, MAX_PAUSE_MS = 20_000, 10_000
MORE = ("scorer-3", "scorer-4")
SETTLE_S = 8


def rolling(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """Nothing may be lost, nor answered twice, not even where readers drop the repeat: no one is
    killed here.
    """
    counts, problems = play(folder, model, seed, _roll, count=30_000)
    if counts["raw_duplicates"]:
        problems.append(f"{counts['raw_duplicates']} scores stand twice in scores.v1")
    for name, most in (("slowest_drain_ms", MAX_DRAIN_MS), ("longest_pause_ms", MAX_PAUSE_MS)):
        if counts[name] > most:
            problems.append(f"{name} {counts[name]}, at most {most}")
    return counts, problems


def _roll(stage: Stage) -> None:
    for name in MORE:
        wait_ready([stage.cluster.start(name)])
        time.sleep(SETTLE_S)
    drains = []
    for name in SCORERS:  # those that were there before leave, so that every partition moves
        started = time.monotonic()
        stage.cluster.stop(name)
        drains.append(round(1000 * (time.monotonic() - started)))
        time.sleep(SETTLE_S)
    stage.wait_until_flowing()
    ages = _ages_ms(stage.kafka)
    stage.counts.update(
        slowest_drain_ms=max(drains),
        longest_pause_ms=max(ages),
        p50_age_ms=sorted(ages)[len(ages) // 2],
    )


def _ages_ms(kafka: str) -> list[int]:
    """From the append of each transaction to that of its accepted score: a partition's pause is its
    oldest one's age.
    """
    with TopicReader(kafka, [SCORES], committed_only=False) as reader:
        found = AcceptedScores().each(reader.until_end(60))
        return [record.appended_at - score.src_appended_at for record, score in found]
