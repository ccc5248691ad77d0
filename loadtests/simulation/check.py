"""Compares what came out of a history with what must have come out."""

import marshal
from typing import Any

from loadtests.simulation.plan import PARTITIONS
from loadtests.simulation.work import COLD, DUPLICATE, GOOD, PARTIAL, REJECTED, Row, Score, name_of
from loadtests.simulation.world import LETTERS, OUTPUT, World
from riskstream.platform.kafka.memory.log import Entry
from riskstream.platform.kafka.positions import AcceptedReader


def accepted_of(world: World, partition: int) -> tuple[list[Score], list[str]]:
    """The accepted scores of a partition by the reader's rule, and what is wrong with the
    series.
    """
    rule, out, known = AcceptedReader(), [], set()
    problems = []
    for entry in world.everything(OUTPUT, partition):
        score = Score(*marshal.loads(entry.value or b""))
        if rule.accept(partition, score.src, score.prev):
            out.append(score)
        elif score.src not in known:
            problems.append(
                f"partition {partition}: the first score of src {score.src} comes behind later ones"
            )
        known.add(score.src)
    return out, problems


def check(world: World) -> list[str]:
    """What is wrong, in words; empty where nothing is."""
    problems = list(world.problems)
    for partition in range(PARTITIONS):
        accepted, wrong = accepted_of(world, partition)
        problems += wrong
        problems += _series(world, partition, accepted)
        problems += _flags(world, partition, accepted)
        problems += _letters(world, partition, accepted)
        problems += _rows(world, partition, accepted)
    return problems


def _series(world: World, partition: int, accepted: list[Score]) -> list[str]:
    """Each source record once, with the verdict and state of a fold of all before it."""
    problems = []
    source = {entry.offset: entry for entry in world.visible_source(partition)}
    scores = {score.src: score for score in accepted}
    for src in sorted(scores.keys() - source.keys()):
        problems.append(
            f"partition {partition}: src {src} is answered, and is no record of the source"
        )
    for src in sorted(source.keys() - scores.keys()):
        if (partition, src) not in world.unanswered:
            problems.append(f"partition {partition}: src {src} has no score")
    before = None
    for score in accepted:
        lacks = any((partition, src) in world.unanswered for src in range(score.prev, score.src))
        if before is not None and score.prev != before and not lacks and score.src in source:
            problems.append(
                f"partition {partition}: src {score.src} says that {score.prev} came "
                f"before it, not {before}"
            )
        before = score.src
    state: dict[bytes, Row] = {}
    for src, entry in sorted(source.items()):
        found = scores.get(src)
        problems += _compared(partition, entry, found, state)
    return problems


def _compared(
    partition: int, entry: Entry, score: Score | None, state: dict[bytes, Row]
) -> list[str]:
    key, name = entry.key or b"", name_of(entry.value)
    row = state.get(key, Row())
    verdict = REJECTED if name is None else DUPLICATE if name in row.ids else GOOD
    if score is not None and score.flags and name is not None:
        verdict = score.verdict  # what was told counts from there on
    if name is not None:
        row = state[key] = row.applied(entry.offset, name, verdict)
    if score is None:
        return []
    where = f"partition {partition} src {entry.offset}"
    if score.verdict != verdict:
        return [f"{where}: verdict {score.verdict}, must be {verdict}"]
    if (
        verdict != REJECTED
        and not score.flags
        and (score.records, score.digest) != (row.records, row.digest)
    ):
        return [
            (
                f"{where}: state of {score.records} records ({score.digest}), must be "
                f"{row.records} ({row.digest})"
            )
        ]
    return []


_LOSES = ("expire source", "expire output", "lose", "evict")


def _flags(world: World, partition: int, accepted: list[Score]) -> list[str]:
    """A score says that its state may lack something only where something was taken away."""
    problems = []
    if not any(world.counts[each] for each in _LOSES):
        problems += [
            f"src {each.src} says that its state is not whole"
            for each in accepted
            if each.flags & PARTIAL
        ]
    if not world.counts["store away"]:
        problems += [
            f"src {each.src} says that its row could not be read"
            for each in accepted
            if each.flags & COLD
        ]
    return [f"partition {partition}: {each}, and nothing was lost" for each in problems]


def _letters(world: World, partition: int, accepted: list[Score]) -> list[str]:
    rejected = {score.src for score in accepted if score.verdict == REJECTED}
    letters = set()
    for entry in world.everything(LETTERS, partition):
        headers: dict[str, Any] = dict(entry.headers or [])
        letters.add(int(headers["riskstream-offset"]))
    gone = {src for src in rejected - letters if (partition, src) in world.gone_before_letter}
    return [
        *(
            f"partition {partition}: src {src} is rejected and no dead letter"
            for src in sorted(rejected - letters - gone)
        ),
        *(
            f"partition {partition}: src {src} is a dead letter and not rejected"
            for src in sorted(letters - rejected)
        ),
    ]


def _rows(world: World, partition: int, accepted: list[Score]) -> list[str]:
    """Rows of the store are those of a fold of the source, up to where each says that it is."""
    held = world.store.partitions.get(partition)
    if (
        held is None
        or held.whole_mark is None
        or held.whole_mark.whole_since
        or any(each.flags & PARTIAL for each in accepted)
    ):
        return []
    problems = []
    scores = {score.src: score for score in accepted}
    state: dict[bytes, dict[int, Row]] = {}
    for entry in world.visible_source(partition):
        score, name = scores.get(entry.offset), name_of(entry.value)
        if name is None or score is None:
            continue
        of_key = state.setdefault(entry.key or b"", {-1: Row()})
        of_key[entry.offset] = of_key[max(of_key)].applied(entry.offset, name, score.verdict)
    for key, packed in held.rows.items():
        row = Row(*marshal.loads(packed))
        expected = state.get(key, {}).get(row.at)
        if expected != row:
            problems.append(
                f"partition {partition}: the row of {key.decode()} is {row}, must be {expected}"
            )
    return problems
