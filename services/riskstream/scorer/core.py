"""The scorer's core: a micro-batch of transactions in, scores out. Pure.

`prepare` says what must be read, the shell reads it, `score` takes what was read. The fold holds
the state, and scoring makes the answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.lanes.ports import Batch, ReadResult
from riskstream.scorer.answer_reader import ScoreAnswerReader
from riskstream.scorer.fold import Fold, Judged
from riskstream.scorer.policy import Policy
from riskstream.scorer.ports import Model
from riskstream.scorer.profile_join import ProfilesWanted
from riskstream.scorer.scored import Scored
from riskstream.scorer.scoring import Scoring, untimed


@dataclass(slots=True)
class Prepared:
    """A micro-batch that waits for its reads: `rows` by partition, and `profiles` as a
    ProfileReader takes them.
    """

    judged: Judged
    wanted: ProfilesWanted

    @property
    def rows(self) -> dict[int, list[bytes]]:
        return self.judged.rows

    @property
    def profiles(self) -> list[bytes]:
        return self.wanted.keys


class ScorerCore:
    """The lane's work: the fold and scoring together."""

    def __init__(
        self,
        features: FeatureSet,
        model: Model,
        policy: Policy,
        max_batch: int,
        base_currency: str,
        fold: Fold | None = None,
    ) -> None:
        self.answers = ScoreAnswerReader()
        self.fold = fold or Fold(features, base_currency)
        self._scoring = Scoring(features, self.fold, model, policy, max_batch)
        self.decider = self._scoring.decider
        self._mark: Callable[[str], None] = untimed

    def time_stages(self, mark: Callable[[str], None]) -> None:
        """Tell `mark` the name of each stage at its end."""
        self._mark = self._scoring.mark = mark

    def prepare(self, batch: Batch) -> Prepared:
        """Decode, judge, find the customers; nothing is applied. SchemaWait where a record's schema
        is being asked for.
        """
        judged = self.fold.prepare(batch)
        prepared = Prepared(judged, self._scoring.wanted(judged))
        self._mark("decode")
        return prepared

    def score(
        self, prepared: Prepared, rows: ReadResult, profiles: list[bytes | None] | None
    ) -> Scored:
        """Apply, score, decide, encode. `profiles`: what was read of `prepared.profiles`, None
        where nothing answered.
        """
        applied = self.fold.apply(prepared.judged, rows, self._scoring.vectors)
        return self._scoring.score(prepared.judged, applied, prepared.wanted, profiles)

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]:
        """(key, row) of each customer that changed since the last call."""
        return self.fold.take_changed(partition)

    def drop(self, partition: int) -> None:
        self.fold.drop(partition)
