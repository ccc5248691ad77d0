"""What was answered is found for a batch at once as for one record after the other."""

from random import Random

import numpy as np
import pytest
from tests.support.standings import SYMBOLS

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.exact.intake import batch_of
from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import JUDGE, LIVE
from riskstream.scorer.answer_reader import ScoreAnswerReader

MODES = ScoreAnswerReader.replay_modes


def _verdicts(random: Random, srcs: list[int]) -> Verdicts:
    """Some of the offsets, in two parts that overlap; the first record of each counts."""
    found, output = Verdicts(SYMBOLS), 0
    for _ in range(2):
        mine = np.array([src for src in srcs if random.random() < 0.5], np.int64)
        outputs = np.arange(output, output + len(mine), dtype=np.int64)
        codes = np.array([random.randrange(1, 4) for _ in mine], np.int64)
        answers = np.array([random.randrange(2**32) for _ in mine], np.int64)
        found.add(mine, mine - 1, outputs, codes, {}, answers)
        output += len(mine)
    return found


def _polled(offsets: list[int]) -> Polled:
    n = len(offsets)
    return Polled(
        values=Joined.of([b"v"] * n),
        keys=Joined.of([b"k"] * n),
        partitions=np.zeros(n, np.int32),
        offsets=np.array(offsets, np.int64),
        appended_at=np.zeros(n, np.int64),
        traces={},
        topics={},
    )


@pytest.mark.parametrize("seed", range(20))
def test_modes_and_answers_are_those_of_each_record(seed: int) -> None:
    random = Random(seed)
    offsets = sorted(random.sample(range(200), random.randrange(1, 120)))
    verdicts = _verdicts(random, offsets)
    known, judged = random.choice((-1, 90, 250)), random.choice((-1, 120, 250))
    owned = Owned(
        partition=0,
        number=1,
        phase=Phase.RUNNING,
        known_src=known,
        recorded=verdicts,
        judged_to=judged,
    )
    unknown, expected = [], []
    for offset in offsets:
        recorded = verdicts.get(offset) if offset <= known else None
        if recorded is not None:
            expected.append((MODES[recorded.verdict], recorded.answer))
        elif offset <= known:
            expected.append((JUDGE, 0))
            unknown += [offset] if offset > judged else []
        else:
            expected.append((LIVE, 0))
    held: list[str] = []
    batch = batch_of(_polled(offsets), {0: owned}, MODES, lambda _, why: held.append(why))
    if unknown:
        assert batch is None
        assert [f"source offset {unknown[0]} was answered" in why for why in held] == [True]
        return
    assert batch is not None
    assert batch.answers is not None
    assert list(zip(batch.modes.tolist(), batch.answers.tolist(), strict=True)) == expected


def test_no_verdict_is_found_where_there_is_none() -> None:
    is_there, _, answers = Verdicts().find(np.array([3, 4], np.int64))
    assert (is_there.tolist(), answers.tolist()) == ([False, False], [0, 0])
