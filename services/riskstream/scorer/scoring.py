"""Scoring: what the scorer answers a micro-batch that was applied. Profiles, decisions, flags,
encode. Pure.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.risk import validity
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.lanes.ports import LIVE
from riskstream.scorer.corrections import NULLABLE, say_what_leaves
from riskstream.scorer.decider import Decider
from riskstream.scorer.flags import Flags
from riskstream.scorer.fold import Applied, Fold, Judged
from riskstream.scorer.policy import Policy
from riskstream.scorer.ports import Model
from riskstream.scorer.profile_join import NO_PROFILES, ProfileJoin, ProfilesWanted
from riskstream.scorer.scored import Scored

_TEXTS = ("transaction_id", "customer_id", "base_currency")
"""Texts of a score that are the transaction's."""
_NULL_WHEN_REJECTED = (
    "transaction_id",
    "customer_id",
    "occurred_at",
    "base_amount_minor",
    "base_currency",
    "score",
    "decision",
    "model_version",
    "feature_set",
)


def untimed(stage: str) -> None:
    """Told the end of a stage that nobody times."""


class Scoring:
    """Makes frames of score.v1, up to `max_batch` at once. `fold` is asked why a record was
    rejected, and told its answers.
    """

    def __init__(
        self, features: FeatureSet, fold: Fold, model: Model, policy: Policy, max_batch: int
    ) -> None:
        self._fold = fold
        self.mark: Callable[[str], None] = untimed
        self._profiles = ProfileJoin(features)
        self._encoder = ColumnEncoder(
            "score.v1",
            capacity=max_batch,
            vector_width=len(features.names),
            long_width=3 * len(features.profiles),
            from_input=_TEXTS,
        )
        self.vectors = self._encoder.vectors
        """Where the fold puts the vectors of a batch, float32 [max_batch, features]."""
        self._texts = [(name, *self._encoder.spans(name)) for name in _TEXTS]
        self._null_when_rejected = [self._encoder.nulls(name) for name in _NULL_WHEN_REJECTED]
        self._encoder.numbers("reject_rules_version")[:] = validity.REJECT_RULES_VERSION
        self._encoder.set_word("feature_set", slice(None), features.label)
        self._flags = Flags(self._encoder, max(features.windows_ms, default=0))
        self.decider = Decider(features, self._encoder, fold, model, policy)

    def wanted(self, judged: Judged) -> ProfilesWanted:
        """Which profiles are to be read: of the records that will be scored, and of the few that
        prove to be rejected.
        """
        if not len(self._profiles):
            return NO_PROFILES
        rows = np.flatnonzero(judged.is_good & (judged.batch.modes == LIVE))
        return self._profiles.wanted(judged.columns, rows, judged.batch.partition_count)

    def score(
        self,
        judged: Judged,
        applied: Applied,
        wanted: ProfilesWanted,
        profiles: list[bytes | None] | None,
    ) -> Scored:
        """Frames of the live records, in order. `profiles`: what was read of `wanted.keys`, None
        where nothing answered.
        """
        batch, columns, scored, live = judged.batch, judged.columns, applied.scored, applied.live
        self.decider.take_up()
        rejected = [
            (i, self._fold.reason(judged, i)) for i in np.flatnonzero(live & ~scored).tolist()
        ]
        self._fill(judged, applied, rejected)
        self.mark("apply")
        rows = np.flatnonzero(scored)
        odd = self._join(judged, scored, wanted, profiles)
        if applied.told.corrected is not None:
            say_what_leaves(
                self._encoder, columns, applied.told.corrected, scored, applied.is_cold, odd
            )
        decisions = self.decider.decide(columns, applied, rows, odd)
        self.mark("score")
        if batch.whole_since:
            self._flags.partial(batch, columns.numbers("occurred_at"), rows, odd)
        flags = self._flags.write(batch, judged.keys, rows, applied.is_cold[rows], odd)
        frames = self._encoder.encode(len(scored), columns.data).but(~live)
        self.mark("encode")
        return Scored(
            frames=frames,
            rejected=rejected,
            decisions=decisions,
            flags=flags,
            abandoned=applied.abandoned,
            ahead=applied.ahead,
        )

    def _join(
        self,
        judged: Judged,
        scored: NDArray[np.bool_],
        wanted: ProfilesWanted,
        profiles: list[bytes | None] | None,
    ) -> dict[str, NDArray[np.int64]]:
        """The profiles' columns and positions of the scored rows, into the banks; the rows of each
        flag.
        """
        if not len(self._profiles):
            return {}
        out, n = self._encoder, len(scored)
        out.long_counts[:n] = np.where(scored, 3 * len(self._profiles), 0)
        times = judged.columns.numbers("occurred_at")
        return self._profiles.join(wanted, profiles, scored, times, out.vectors[:n], out.longs[:n])

    def _fill(self, judged: Judged, applied: Applied, rejected: list[tuple[int, str]]) -> None:
        """Everything of the scores but the scoring, into the encoder's banks."""
        batch, columns, scored = judged.batch, judged.columns, applied.scored
        out, n = self._encoder, len(scored)
        out.numbers("src")[:n] = batch.offsets
        out.numbers("prev")[:n] = batch.prevs
        out.numbers("src_appended_at")[:n] = batch.appended_at
        out.numbers("verdict")[:n] = applied.verdicts
        out.numbers("occurred_at")[:n] = columns.numbers("occurred_at")
        out.numbers("base_amount_minor")[:n] = columns.numbers("base_amount_minor")
        out.numbers("kind")[:n] = np.where(scored, columns.numbers("kind"), 0)
        for name, starts, lengths in self._texts:
            starts[:n], lengths[:n] = columns.span(name)
        not_scored = ~scored
        for nulls in self._null_when_rejected:
            nulls[:n] = not_scored
        for name in ("transaction_id", "customer_id"):
            out.nulls(name)[:n][judged.reject == validity.ID_REUSED] = 0
        for name in NULLABLE:
            out.nulls(name)[:n] = 1
        out.numbers("corrected_is_refund")[:n] = 0
        out.nulls("reason")[:n] = scored
        for index, why in rejected:
            out.set_word("reason", slice(index, index + 1), why)
        out.vector_lengths[:n] = np.where(scored, out.vectors.shape[1], 0)
