"""From what a poll gave to a micro-batch: the records of running partitions, recorded ones with
their mode (B1, B3).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstream.platform.kafka.clients.polled import Polled
from riskstream.platform.kafka.lanes.exact.owned import Owned
from riskstream.platform.kafka.lanes.ports import JUDGE, LIVE, Batch, Outcome

_ANSWER_GONE = "source offset {} was answered before, but the output does not say how"


def batch_of(
    polled: Polled,
    running: dict[int, Owned],
    replay_modes: Mapping[str, int],
    hold: Callable[[Owned, str], None],
) -> Batch | None:
    """The records of `running` partitions; None where none is left. `replay_modes`: as
    AnswerReader.

    A partition with a record that was answered before, but whose answer is gone, is held and left
    out.
    """
    n, partitions, offsets = len(polled), polled.partitions, polled.offsets
    if not n:
        return None
    if set(np.flatnonzero(np.bincount(partitions)).tolist()) - running.keys():
        wanted = np.isin(partitions, list(running))
        return batch_of(polled.kept(wanted), running, replay_modes, hold)
    prevs = np.empty(n, np.int64)
    modes = np.zeros(n, np.uint8)
    whole_since = {}
    answers = np.zeros(n, np.int64)
    for partition, owned in running.items():
        rows = np.flatnonzero(partitions == partition)
        if not len(rows):
            continue
        mine = offsets[rows]
        # of a fetch before the seek: it was taken
        if mine[0] <= owned.position or (mine[1:] <= mine[:-1]).any():
            is_new = np.ones(n, np.bool_)
            is_new[rows] = _rises(owned.position, mine)
            return batch_of(polled.kept(is_new), running, replay_modes, hold)
        if owned.whole_since:
            whole_since[partition] = owned.whole_since
        prevs[rows[0]] = owned.position
        prevs[rows[1:]] = offsets[rows[:-1]]
        if offsets[rows[0]] <= owned.known_src:
            before = rows[: int(np.searchsorted(mine, owned.known_src, "right"))]
            unknown = _replay_modes(owned, replay_modes, before, offsets, modes, answers)
            if unknown is not None:
                hold(owned, _ANSWER_GONE.format(unknown))
                others = {number: each for number, each in running.items() if number != partition}
                return batch_of(polled, others, replay_modes, hold)
    return Batch(
        values=polled.values,
        keys=polled.keys,
        partitions=partitions,
        offsets=offsets,
        prevs=prevs,
        appended_at=polled.appended_at,
        modes=modes,
        answers=answers,
        partition_count=running[int(partitions[0])].partition_count,
        traces=polled.traces,
        whole_since=whole_since,
    )


def _rises(position: int, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each offset is above the position and above every offset before it."""
    return offsets > np.maximum.accumulate(np.concatenate([[position], offsets[:-1]]))


def scored_at(batch: Batch, outcome: Outcome) -> NDArray[np.int64]:
    """Append times of the records that were scored now: no replayed ones, none that come again."""
    if not np.count_nonzero(batch.modes) and not outcome.abandoned:  # LIVE is 0
        return batch.appended_at
    wanted = np.flatnonzero(
        (batch.modes == LIVE) & ~np.isin(batch.partitions, list(outcome.abandoned))
    )
    return batch.appended_at.take(wanted)


def _replay_modes(
    owned: Owned, replay_modes: Mapping[str, int], rows: Any, offsets: Any, modes: Any, answers: Any
) -> int | None:
    """B3 for recorded records, those at `rows`: their verdict decides, and what they were answered
    is kept; or they are judged again.

    The offset of one that cannot be, else None.
    """
    mine = offsets[rows]
    is_there, codes, said = owned.recorded.find(mine)
    modes[rows], answers[rows] = JUDGE, np.where(is_there, said, 0)
    for code in np.unique(codes[is_there]).tolist():
        modes[rows[is_there & (codes == code)]] = replay_modes[owned.recorded.name(code)]
    unknown = mine[~is_there & (mine > owned.judged_to)]
    return int(unknown[0]) if len(unknown) else None
