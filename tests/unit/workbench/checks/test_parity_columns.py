"""Parity, logged rows and parity with training take records as columns, and find what one record at
a time finds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame
from tests.support.poison import poisons
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.accepted import AcceptedScore, AcceptedScores
from riskstream.platform.kafka.lanes.ports import LIVE, REPLAY, REPLAY_DUPLICATE, Batch, ReadResult
from riskstream.platform.kafka.record import Record, Records
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.fold import Fold
from riskstream.scorer.policy import Policy
from riskstream.workbench.checks.parity import ParityCheck
from riskstream.workbench.checks.parity_found import SHOWN, Parity

SOURCE, OUTPUT, PARTITIONS, RECORDS = "transactions.v1", "scores.v1", 3, 220
OWNED = len(STANDARD.inputs) + len(STANDARD.owned)


class _Low:
    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(len(rows), 0.1, np.float32)


def _record(topic: str, partition: int, offset: int, key: bytes | None, value: Any) -> Record:
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        appended_at=NOW_MS + 10**6,
        key=key,
        value=value,
        headers=[],
    )


def _batch(records: Sequence[Record], mode: int = LIVE) -> Batch:
    offsets = np.array([each.offset for each in records], np.int64)
    return Batch(
        values=[each.value for each in records],
        keys=[each.key for each in records],
        partitions=np.array([each.partition for each in records], np.int32),
        offsets=offsets,
        prevs=np.concatenate([[-1], offsets[:-1]]),
        appended_at=np.array([each.appended_at for each in records], np.int64),
        modes=np.full(len(records), mode, np.uint8),
        partition_count=PARTITIONS,
    )


def _sources(random: Random, partition: int) -> list[Record]:
    """Good payments, some of them twice or in another customer's partition, every kind of poison,
    and holes where markers stood.
    """
    bad = [(key, value) for _, key, value in poisons("p") if len(value or b"") < 600_000]
    out, offset, sent = [], 0, list[tuple[bytes | None, bytes | None]]()
    for at in range(RECORDS):
        offset += random.choice((1, 1, 1, 2, 5))
        name = f"c{random.randrange(12)}"
        row: tuple[bytes | None, bytes | None] = (
            name.encode(),
            frame(
                customer_id=name,
                transaction_id=f"{partition}-{at}",
                occurred_at=NOW_MS + at * 60_000,
                base_amount_minor=random.randrange(1, 10**6),
            ),
        )
        kind = random.random()
        if kind < 0.1 and sent:
            row = random.choice(sent)
        elif kind < 0.25:
            row = random.choice(bad)
        sent.append(row)
        out.append(_record(SOURCE, partition, offset, *row))
    return out


def _altered(random: Random, said: dict[str, Any]) -> dict[str, Any]:
    """A score as it never should be."""
    features = list(said["features"])
    change = random.randrange(6 if said["verdict"] == "REJECTED" else 9)
    if change == 0 and features:
        features[random.randrange(len(features))] += 1.0
        return {**said, "features": features}
    changes: list[dict[str, Any]] = [
        {"verdict": "DUPLICATE"},
        {"features": features[:-1]},
        {"features": []},
        {"features": [*features, 0.5]},
        {"feature_set": "other.v1"},
        {"flags": ["cold"]},
        {"flags": ["misplaced", "partial_history"], "verdict": "DUPLICATE"},
        {"flags": ["misplaced", "stale"]},
    ]
    return {**said, **changes[change - 1]}


def _in_two_blocks(value: bytes, features: Sequence[float]) -> bytes:
    """The frame with its features in two blocks of an Avro array, as another encoder may write."""
    raw = np.array(features, "<f4").tobytes()
    n = len(features)
    whole = (bytes([2 * n]) if n < 64 else bytes([2 * n & 127 | 128, n >> 6])) + raw + b"\0"
    assert value.count(whole) == 1
    return value.replace(whole, b"\x06" + raw[:12] + bytes([2 * (n - 3)]) + raw[12:] + b"\0")


def _scores(random: Random, sources: list[Record]) -> list[Record]:
    """What the scorer said of them, then: some of it altered, again, missing, or junk beside it."""
    policy = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
    outcome = process(ScorerCore(STANDARD, _Low(), policy, 256, "EUR"), _batch(sources))
    values = [each for each in outcome.frames if each is not None]
    out: list[bytes | None] = []
    for value in values:
        said, kind = codec("score.v1").decode(value), random.random()
        if kind < 0.03:
            continue
        if kind < 0.08 and said["features"] and len(said["features"]) < 67:
            out.append(_in_two_blocks(value, said["features"]))
        elif kind < 0.35:
            out.append(codec("score.v1").encode(_altered(random, said)))
        else:
            out.append(value)
        if kind > 0.9:
            out.append(random.choice((b"junk", None, b"\0\0\0\0\1junk", *values[:3], value)))
    partition = sources[0].partition
    return [_record(OUTPUT, partition, at, b"c", value) for at, value in enumerate(out)]


def _world(seed: int) -> tuple[list[Record], list[Record]]:
    random = Random(seed)
    sources = [_sources(random, number) for number in range(PARTITIONS)]
    scores = [each for mine in sources for each in _scores(random, mine)]
    left = [each for mine in sources for each in mine if random.random() > 0.02]
    return left, scores


def _expected(sources: list[Record], scores: list[Record]) -> Counter[str]:
    """What parity counts, found by one record after the other."""
    by_place = {(each.partition, each.offset): each for each in sources}
    folds = {number: Fold(STANDARD, "EUR") for number in range(PARTITIONS)}
    found: Counter[str] = Counter()
    for each in AcceptedScores().each(scores):
        source = by_place.get((each.record.partition, each.score.src))
        if source is None:
            found["without_source"] += 1
            continue
        found[_said_of(folds[source.partition], source, each)] += 1
    found["compared"] += found["vectors_differ"]
    return found


def _said_of(fold: Fold, source: Record, accepted: AcceptedScore) -> str:
    score, mode = accepted.score, LIVE
    is_flagged = bool({"cold", "partial_history"} & set(score.flags))
    if is_flagged:
        mode = REPLAY_DUPLICATE if score.verdict == "DUPLICATE" else REPLAY
    judged = fold.prepare(_batch([source], mode))
    applied = fold.apply(judged, ReadResult.empty(judged.rows))
    if is_flagged:
        return "flagged"
    if ("UNKNOWN", "GOOD", "REJECTED", "DUPLICATE")[applied.verdicts[0]] != score.verdict:
        return "verdicts_differ"
    if score.feature_set is None:
        return "rejected"
    if score.feature_set != STANDARD.label:
        return "other_set"
    ours = applied.vectors[0, :OWNED].tobytes()
    theirs = np.array(score.features[:OWNED], np.float32).tobytes()
    is_whole = len(score.features) == len(STANDARD.names)
    return "compared" if is_whole and ours == theirs else "vectors_differ"


def _in_parts(random: Random, *topics: list[Record]) -> Iterator[Records]:
    """The records by topic and partition in random parts, in random turns."""
    queues = [
        [each for each in topic if each.partition == number]
        for topic in topics
        for number in range(PARTITIONS)
    ]
    while queues := [each for each in queues if each]:
        mine = random.choice(queues)
        size = random.choice((1, 7, 50, 300))
        yield Records.of(mine[:size])
        del mine[:size]


@pytest.mark.parametrize("seed", range(5))
def test_columns_count_what_one_record_at_a_time_counts(seed: int) -> None:
    sources, scores = _world(seed)
    check = ParityCheck(STANDARD, SOURCE, PARTITIONS, "EUR")
    for records in _in_parts(Random(seed), sources, scores):
        check.take(records)
    found, expected = check.finish(), _expected(sources, scores)
    names = [name for name in Parity.__slots__ if name != "problems"]
    assert {name: getattr(found, name) for name in names} == {
        name: expected[name] for name in names
    }
    assert all(expected[name] for name in names[:7]), "each kind is there"
    assert len(found.problems) == SHOWN
    assert not found.is_whole
