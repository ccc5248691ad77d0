"""Decisions: the model's two stages, rules and reasons of the scored rows of a micro-batch."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.column_encoder import MAX_WORDS, ColumnEncoder
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW, decide
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.reasons import MAX_REASONS, Reasons
from riskstream.domain.risk.rules.book import RuleBook
from riskstream.domain.risk.rules.field_rows import FieldRows
from riskstream.scorer.answers import tell_again
from riskstream.scorer.flags import FLAG_GPU_LOST, FLAG_NO_SCORE, FLAG_NO_STAGE2
from riskstream.scorer.fold import Applied, Fold
from riskstream.scorer.policy import Policy, Stage2
from riskstream.scorer.ports import Model
from riskstream.scorer.rule_rows import BatchRows


class Decider:
    """Writes scores, decisions, rules and reasons into an encoder's banks. `fold` remembers what
    was answered.
    """

    def __init__(
        self, features: FeatureSet, out: ColumnEncoder, fold: Fold, model: Model, policy: Policy
    ) -> None:
        self._features, self._out, self._fold = features, out, fold
        self.next_model = (model, policy)
        """As next_rules: set from any thread."""
        self._use_model(model, policy)
        self._rules = RuleBook()
        self._rule_words: list[tuple[int, int]] = []
        self.next_rules = self._rules
        """Set from any thread; in force from the next micro-batch on."""

    def take_up(self) -> None:
        """At a batch edge: no micro-batch is decided by half of two releases, or of two books of
        rules.
        """
        if self.next_model[0] is not self._model:
            self._use_model(*self.next_model)
        if (book := self.next_rules) is not self._rules:
            self._use_rules(book)

    def decide(
        self,
        columns: Columns,
        applied: Applied,
        rows: NDArray[np.int64],
        odd: dict[str, NDArray[np.int64]],
    ) -> tuple[int, ...]:
        """Model, decision and reasons of the scored rows, into the banks; their flags into `odd`;
        how many of each decision.

        Reasons are of what is not approved, and of a sample of the rest by the transaction's id.
        """
        out, n = self._out, len(columns)
        self._clear(applied.scored)
        if not len(rows):
            return ()
        vectors = out.vectors[:n] if len(rows) == n else out.vectors[rows]
        first = scores = self._model.predict(vectors)
        if self._policy.stage2 is not None:
            scores = self._ask_again(self._policy.stage2, rows, vectors, scores, odd)
        decisions = decide(scores, self._policy.review_from, self._policy.block_from)
        decisions[np.isnan(scores)] = REVIEW
        if self._rules.rules:
            self._apply_rules(columns, rows, vectors, scores, decisions)
        first, again = tell_again(self._fold, applied, rows, first, decisions)
        out.nulls("stage2_score")[rows[again]] = 1
        out.floats("score")[rows] = first
        if (unknown := np.isnan(first)).any():
            odd[FLAG_NO_SCORE] = rows[unknown]
            out.nulls("score")[rows[unknown]] = 1
        out.numbers("decision")[rows] = decisions
        flagged = np.flatnonzero((decisions != APPROVE) | (applied.ids[rows] < self._sampled_below))
        if len(flagged):
            self._explain(rows[flagged], vectors[flagged])
        return tuple(np.bincount(decisions, minlength=4).tolist())

    def _use_model(self, model: Model, policy: Policy) -> None:
        self._model, self._policy = model, policy
        self._reasons = Reasons(self._features.reasons, policy.paths)
        self._sampled_below = np.uint64(min(policy.reason_sample * 2.0**64, 2.0**64 - 2048))
        out = self._out
        self._reason_words = [out.word(code) for code in self._reasons.codes]
        out.set_word("model_version", slice(None), policy.model_version)
        out.set_word("release_id", slice(None), policy.release_id)
        self._has_release = bool(policy.release_id)

    def _use_rules(self, book: RuleBook) -> None:
        self._rules = book
        out = self._out
        out.set_word("rules_version", slice(None), book.version)
        self._rule_words = [(out.word(rule.rule_id), out.word(rule.reason)) for rule in book.rules]

    def _clear(self, scored: NDArray[np.bool_]) -> None:
        """What the banks hold of the batch before; and which of its versions each record names."""
        out, n = self._out, len(scored)
        out.nulls("release_id")[:n] = ~scored if self._has_release else True
        out.nulls("rules_version")[:n] = ~scored if self._rules.version else True
        out.nulls("stage2_score")[:n] = 1
        for name in ("reasons", "rules"):
            _, counts = out.codes(name)
            counts[:n] = 0

    def _ask_again(
        self,
        stage2: Stage2,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        scores: NDArray[np.float32],
        odd: dict[str, NDArray[np.int64]],
    ) -> NDArray[np.float32]:
        """The scores to decide by: of the uncertain band the second stage's, which go into the
        banks as well.
        """
        asked = np.flatnonzero(
            (scores >= np.float32(stage2.low)) & (scores < np.float32(stage2.high))
        )
        if not len(asked):
            return scores
        again = stage2.model.predict(vectors[asked])
        if stage2.model.is_degraded:
            odd[FLAG_GPU_LOST] = rows[asked]
        known = ~np.isnan(again)
        if not known.all():
            odd[FLAG_NO_STAGE2] = rows[asked[~known]]
            asked, again = asked[known], again[known]
        self._out.floats("stage2_score")[rows[asked]] = again
        self._out.nulls("stage2_score")[rows[asked]] = 0
        scores = scores.copy()
        scores[asked] = again
        return scores

    def _apply_rules(
        self,
        columns: Columns,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        scores: NDArray[np.float32],
        decisions: NDArray[np.int64],
    ) -> None:
        """What rules are true of each scored row: decisions are raised, never lowered; rules and
        their reasons, into the banks.
        """
        seen = BatchRows(
            fields=FieldRows(columns=columns, rows=rows),
            features=self._features,
            vectors=vectors,
            scores=scores,
        )
        codes, counts = self._out.codes("reasons")
        named, named_counts = self._out.codes("rules")
        for rule, (name, reason) in zip(self._rules.rules, self._rule_words, strict=True):
            at = np.flatnonzero(rule.when.matches(seen, self._rules.lists))
            if not len(at):
                continue
            decisions[at] = np.maximum(decisions[at], BLOCK if rule.action == "BLOCK" else REVIEW)
            mine = rows[at]
            room = mine[named_counts[mine] < MAX_WORDS]
            named[room, named_counts[room]] = name
            named_counts[room] += 1
            room = mine[counts[mine] < MAX_REASONS]
            # what stands behind is of batches before
            filled = np.arange(MAX_WORDS) < counts[room][:, None]
            room = room[~((codes[room] == reason) & filled).any(axis=1)]
            codes[room, counts[room]] = reason
            counts[room] += 1

    def _explain(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """The model's reasons of these rows into the banks, behind the reasons of rules."""
        codes, counts = self._out.codes("reasons")
        for row, groups in zip(rows.tolist(), self._reasons.explain(vectors), strict=True):
            first = counts[row]
            words = [self._reason_words[group] for group in groups[: MAX_REASONS - first]]
            codes[row, first : first + len(words)] = words
            counts[row] += len(words)
