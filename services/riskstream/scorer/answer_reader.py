"""How the scorer's lane reads its own output: which record answers a transaction, and how that one
was answered.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.features.owned.repeats import answers_of
from riskstream.platform.kafka.lanes.ports import REPLAY, REPLAY_DUPLICATE, SKIP, Answers


class ScoreAnswerReader:
    """An AnswerReader of score.v1."""

    replay_modes: Mapping[str, int] = {
        "GOOD": REPLAY,
        "REJECTED": SKIP,
        "DUPLICATE": REPLAY_DUPLICATE,
    }

    def __init__(self) -> None:
        self._decoder = ColumnDecoder("score.v1")
        self.verdicts: Sequence[str] = self._decoder.layout.field("verdict").symbols

    def read(self, frames: Sequence[bytes | None]) -> Answers:
        """SchemaWait where a record's schema is not told in half a minute."""
        columns = self._decoder.decode_known(frames)
        is_answer = columns.status == 0
        reasons = np.flatnonzero(is_answer & (columns.is_null("reason") == 0)).tolist()
        scores = np.where(columns.is_null("score"), np.nan, columns.numbers("score")).astype(
            np.float32
        )
        decisions = np.where(columns.is_null("decision"), 0, columns.numbers("decision"))
        return Answers(
            is_answer=is_answer,
            is_unread=columns.unread(),
            srcs=columns.numbers("src").astype(np.int64),
            prevs=columns.numbers("prev"),
            verdicts=columns.numbers("verdict"),
            reasons={row: columns.text("reason", row) for row in reasons},
            answers=np.where(decisions > 0, answers_of(decisions, scores), 0),
        )
