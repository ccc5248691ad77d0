"""Feeds the scorer's core as a lane does: prepare, read, score."""

from collections.abc import Callable
from typing import Any

import numpy as np

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.lanes.ports import LIVE, Batch, ReadResult
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.scored import Scored
from tests.support.builders import NOW_MS, frame


def process(
    core: ScorerCore,
    batch: Batch,
    read: Callable[[dict[int, list[bytes]]], ReadResult] = ReadResult.empty,
) -> Scored:
    """`read` is asked only where rows are missing, and gives none where it is left out; no profile
    answers.
    """
    prepared = core.prepare(batch)
    return core.score(
        prepared, read(prepared.rows) if prepared.rows else ReadResult.empty({}), None
    )


def scored(core: ScorerCore, first: int, *amounts: int) -> list[dict[str, Any]]:
    """Scores of payments of these amounts, minor units, at source offsets from `first` on."""
    n = len(amounts)
    frames = [
        frame(
            transaction_id=f"t{first + at}",
            customer_id="c",
            base_amount_minor=amount,
            occurred_at=NOW_MS + first + at,
        )
        for at, amount in enumerate(amounts)
    ]
    outcome = process(
        core,
        Batch(
            values=list(frames),
            keys=[b"c"] * n,
            partitions=np.zeros(n, np.int32),
            offsets=np.arange(first, first + n),
            prevs=np.arange(first, first + n) - 1,
            appended_at=np.full(n, NOW_MS + 1000),
            modes=np.full(n, LIVE, np.uint8),
            partition_count=1,
        ),
    )
    return [codec("score.v1").decode(each) for each in outcome.frames]
