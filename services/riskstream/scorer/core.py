"""The scorer's core: a micro-batch of transactions in, scores out. Pure but for the rows it asks for.

This is where a transaction becomes a score; `process` reads top to bottom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riskstream.contracts.column_encoder import MAX_WORDS, ColumnEncoder
from riskstream.contracts.columns import ColumnDecoder, Columns
from riskstream.kafka.ports import JUDGE, LIVE, SKIP, Batch
from riskstream.risk import validity
from riskstream.risk.bodies import Bodies
from riskstream.risk.decision import APPROVE, BLOCK, REVIEW, decide
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.features.input_kernel import input_kernel
from riskstream.risk.features.key_kernel import UNKNOWN, hash_kernel
from riskstream.risk.features.repeats import Told
from riskstream.risk.features.table import KeyTable
from riskstream.risk.judge import Judge, Keys
from riskstream.risk.reasons import MAX_REASONS, Reasons
from riskstream.risk.rules.book import RuleBook
from riskstream.risk.tree_paths import TreePaths
from riskstream.scorer.answer_reader import ScoreAnswerReader
from riskstream.scorer.answers import refuse_to_forget, tell_again
from riskstream.scorer.corrections import NULLABLE, hashes_of_originals, say_what_leaves
from riskstream.scorer.flags import FLAG_GPU_LOST, FLAG_NO_SCORE, FLAG_NO_STAGE2, Flags
from riskstream.scorer.ports import Model, ProfileReader, SecondModel
from riskstream.scorer.profile_join import ProfileJoin
from riskstream.scorer.rule_rows import BatchRows
from riskstream.scorer.scored import Scored

VERDICT_GOOD, VERDICT_REJECTED, VERDICT_DUPLICATE = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage2:
    """The second stage, asked for the uncertain band: first scores from `low` on and below `high`."""

    model: SecondModel
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What turns scores into decisions, and its versions."""

    model_version: str
    review_from: float
    block_from: float
    paths: TreePaths
    reason_sample: float = 0.01
    """Share of the approved transactions that get reasons as well."""
    release_id: str = ""
    """Empty where the model came from a folder."""
    stage2: Stage2 | None = None


class ScorerCore:
    """The lane's work: holds the rows of owned customers (`table`) and scores micro-batches."""

    def __init__(
        self, features: FeatureSet, model: Model, policy: Policy, max_batch: int, profiles: ProfileReader | None = None,
        base_currency: str = "EUR",
    ) -> None:  # fmt: skip
        self.answers = ScoreAnswerReader()
        self.table = KeyTable(features)
        self._features = features
        self._decoder = ColumnDecoder("transaction.v1")
        self._judge = Judge(self._decoder.layout, base_currency)
        self._bodies = Bodies(self._decoder.layout)
        self._profiles = ProfileJoin(features, profiles)
        self._input_program = np.array([int(each.input) for each in features.inputs], np.int32)
        self._encoder = ColumnEncoder(
            "score.v1",
            capacity=max_batch,
            vector_width=len(features.names),
            long_width=3 * len(features.profiles),
            from_input=("transaction_id", "customer_id", "base_currency"),
        )
        self._encoder.numbers("reject_rules_version")[:] = validity.REJECT_RULES_VERSION
        self._encoder.set_word("feature_set", slice(None), features.label)
        self._flags = Flags(self._encoder, max(features.windows_ms, default=0))

        self.next_model = (model, policy)
        """As next_rules: set from any thread."""
        self._use_model(model, policy)
        self._rules = RuleBook()
        self._rule_words: list[tuple[int, int]] = []
        self.next_rules = self._rules
        """Set from any thread; in force from the next micro-batch on."""

    def process(self, batch: Batch) -> Scored:
        """Scores of a micro-batch, in order: decode, judge, read state, apply, score, decide, encode.

        SchemaWait, before anything is applied, where a record's schema is being asked for.
        """
        if self.next_model[0] is not self._model:
            self._use_model(*self.next_model)
        self._take_up_rules()
        columns = self._decoder.decode(batch.values)
        if columns.wanted and (wait := columns.waits(batch.modes != SKIP)) is not None:
            raise wait
        refuse_to_forget(batch, columns)
        keys = Keys.of(batch.keys)
        reject = self._judge.judge(columns, keys, batch.appended_at)
        batch.mark("decode")
        is_fine = reject == validity.OK
        if (batch.modes != LIVE).any():  # what was answered before is as the answer says
            is_fine |= (batch.modes != LIVE) & (batch.modes != JUDGE)
        good = (columns.status == 0) & is_fine & (batch.modes != SKIP)
        slots, abandoned, ahead = self._rows_for(batch, columns, good)
        batch.mark("read")
        modes = np.where(good, batch.modes, np.uint8(SKIP))
        if abandoned:
            modes[np.isin(batch.partitions, list(abandoned))] = SKIP
        verdicts = np.full(len(modes), VERDICT_REJECTED, np.uint8)
        vectors = self._encoder.vectors[: len(modes)]
        ids, told = self._apply(batch, columns, slots, modes, verdicts, vectors)
        reject[told.conflicts] = validity.ID_REUSED

        live = batch.modes == LIVE
        if abandoned:
            live &= ~np.isin(batch.partitions, list(abandoned))
        scored = live & (modes == LIVE)
        self._fill(batch, columns, live, scored, reject, verdicts)
        batch.mark("apply")
        rows = np.flatnonzero(scored)
        odd = self._profile(columns, rows, scored, batch.partition_count)
        if told.corrected is not None:
            say_what_leaves(self._encoder, columns, told.corrected, scored, odd)
        batch.mark("profile")
        decisions = self._score(columns, rows, ids, odd, _Applied(slots=slots, verdicts=verdicts, told=told))
        batch.mark("score")
        if batch.whole_since:
            self._flags.partial(batch, columns.numbers("occurred_at"), rows, odd)
        flags = self._flags.write(batch, keys, rows, self.table.statuses[slots[rows]] == UNKNOWN, odd)
        frames: list[bytes | None] = list(self._encoder.encode(len(modes), columns.data))
        rejected = []
        if not scored.all():
            for index in np.flatnonzero(~live).tolist():
                frames[index] = None
            rejected = [(i, self._judge.reason(columns, reject, i)) for i in np.flatnonzero(live & ~scored).tolist()]
        batch.mark("encode")
        return Scored(
            frames=frames, rejected=rejected, decisions=decisions, flags=flags, abandoned=abandoned, ahead=ahead
        )

    def _use_model(self, model: Model, policy: Policy) -> None:
        """At a batch edge: no micro-batch is scored by half of two releases."""
        self._model, self._policy = model, policy
        self._reasons = Reasons(self._features.reasons, policy.paths)
        self._sampled_below = np.uint64(min(policy.reason_sample * 2.0**64, 2.0**64 - 2048))
        out = self._encoder
        self._reason_words = [out.word(code) for code in self._reasons.codes]
        out.set_word("model_version", slice(None), policy.model_version)
        out.set_word("release_id", slice(None), policy.release_id)
        self._has_release = bool(policy.release_id)

    def _take_up_rules(self) -> None:
        """At a batch edge: no micro-batch is decided by half of two books."""
        book = self.next_rules
        if book is self._rules:
            return
        self._rules = book
        out = self._encoder
        out.set_word("rules_version", slice(None), book.version)
        self._rule_words = [(out.word(rule.rule_id), out.word(rule.reason)) for rule in book.rules]

    def take_changed(self, partition: int) -> list[tuple[bytes, bytes]]:
        """(key, row) of each customer that changed since the last call."""
        slots = self.table.changed_slots(partition)
        self.table.changed[slots] = 0
        return list(zip(map(self.table.key, slots.tolist()), self.table.pack(slots), strict=True))

    def drop(self, partition: int) -> None:
        self.table.drop(partition)

    def _rows_for(
        self, batch: Batch, columns: Columns, good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], frozenset[int], dict[int, int]]:
        """Slot of each good record; rows of customers not yet in memory are read in one round trip (B2).

        Then the partitions to be taken up anew, and of those with a row at or past its live record how far that one is.
        """
        starts, lengths = columns.span("customer_id")
        slots, fresh = self.table.resolve(columns.data, starts, lengths, batch.partitions, good.astype(np.uint8))
        abandoned: frozenset[int] = frozenset()
        if len(fresh):
            wanted: dict[int, list[int]] = {}
            for slot in fresh.tolist():
                wanted.setdefault(int(self.table.partitions[slot]), []).append(slot)
            found = batch.read_rows({p: [self.table.key(slot) for slot in mine] for p, mine in wanted.items()})
            abandoned = found.abandoned
            for partition, mine in wanted.items():
                rows = found.rows.get(partition)
                for at, slot in enumerate(mine):
                    if rows is None:
                        self.table.statuses[slot] = UNKNOWN
                    else:
                        self.table.load(slot, rows[at])
        ahead = good & (batch.modes == LIVE) & (self.table.ats[slots] >= batch.offsets)
        if not ahead.any():
            return slots, abandoned, {}
        found = np.unique(batch.partitions[ahead]).tolist()  # B3: another owner is ahead
        furthest = {each: int(self.table.ats[slots[ahead & (batch.partitions == each)]].max()) for each in found}
        return slots, abandoned | frozenset(found), furthest

    def _apply(
        self,
        batch: Batch,
        columns: Columns,
        slots: NDArray[np.int32],
        modes: NDArray[np.uint8],
        verdicts: NDArray[np.uint8],
        vectors: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint64], Told]:
        """Inputs and windows of each record into `vectors`, the state forward, the verdicts of the good ones (B3).

        Gives the hashes of the transactions' ids, and what is known of repeats; modes of conflicts become SKIP.
        """
        n = len(modes)
        ids = np.empty(n, np.uint64)
        starts, lengths = columns.span("transaction_id")
        hash_kernel(columns.data, starts, lengths, ids)
        amounts, times = columns.numbers("base_amount_minor"), columns.numbers("occurred_at")
        input_kernel(
            n, amounts, times, columns.numbers("kind"), columns.numbers("channel"), columns.numbers("mcc"),
            columns.is_null("mcc"), self._input_program, vectors,
        )  # fmt: skip
        bodies = self._bodies.hashes(columns, modes != SKIP)
        told = self.table.apply(
            slots, times, amounts, ids, batch.offsets, modes, verdicts, vectors, bodies, batch.answers,
            columns.numbers("kind"), hashes_of_originals(columns),
        )  # fmt: skip
        return ids, told

    def _profile(
        self, columns: Columns, rows: NDArray[np.int64], scored: NDArray[np.bool_], partition_count: int
    ) -> dict[str, NDArray[np.int64]]:  # fmt: skip
        """The profiles' columns and positions of the scored rows, into the banks; the rows of each flag."""
        if not len(self._profiles):
            return {}
        out, n = self._encoder, len(scored)
        out.long_counts[:n] = np.where(scored, 3 * len(self._profiles), 0)
        return self._profiles.join(columns, rows, partition_count, out.vectors[:n], out.longs[:n])

    def _fill(
        self,
        batch: Batch,
        columns: Columns,
        live: NDArray[np.bool_],
        scored: NDArray[np.bool_],
        reject: NDArray[np.uint8],
        verdicts: NDArray[np.uint8],
    ) -> None:
        """Everything of the scores but the scoring, into the encoder's banks."""
        n = len(live)
        out = self._encoder
        out.numbers("src")[:n] = batch.offsets
        out.numbers("prev")[:n] = batch.prevs
        out.numbers("src_appended_at")[:n] = batch.appended_at
        out.numbers("verdict")[:n] = verdicts
        out.numbers("occurred_at")[:n] = columns.numbers("occurred_at")
        out.numbers("base_amount_minor")[:n] = columns.numbers("base_amount_minor")
        out.numbers("kind")[:n] = np.where(scored, columns.numbers("kind"), 0)
        for name in ("transaction_id", "customer_id", "base_currency"):
            (starts, lengths), (to_starts, to_lengths) = columns.span(name), out.spans(name)
            to_starts[:n], to_lengths[:n] = starts, lengths
        not_scored = ~scored
        for name in _NULL_WHEN_REJECTED:
            out.nulls(name)[:n] = not_scored
        for name in ("transaction_id", "customer_id"):
            out.nulls(name)[:n][reject == validity.ID_REUSED] = 0
        for name in NULLABLE:
            out.nulls(name)[:n] = 1
        out.numbers("corrected_is_refund")[:n] = 0
        out.nulls("reason")[:n] = scored
        out.nulls("release_id")[:n] = not_scored if self._has_release else True
        out.nulls("rules_version")[:n] = not_scored if self._rules.version else True
        for index in np.flatnonzero(live & not_scored).tolist():
            out.set_word("reason", slice(index, index + 1), self._judge.reason(columns, reject, index))
        out.vector_lengths[:n] = np.where(scored, out.vectors.shape[1], 0)

    def _score(
        self, columns: Columns, rows: NDArray[np.int64], ids: NDArray[np.uint64], odd: dict[str, NDArray[np.int64]],
        applied: "_Applied",
    ) -> tuple[int, ...]:  # fmt: skip
        """Model, decision and reasons of the scored rows, into the banks; their flags into `odd`; how many of each decision.

        Reasons are of what is not approved, and of a sample of the rest by the transaction's id.
        """
        out, n = self._encoder, len(columns)
        out.nulls("stage2_score")[:n] = 1
        codes, counts = out.codes("reasons")
        counts[:n] = 0
        _, matched_counts = out.codes("rules")
        matched_counts[:n] = 0
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
        first, again = tell_again(self.table, applied.slots, applied.told, applied.verdicts, rows, first, decisions)
        out.nulls("stage2_score")[rows[again]] = 1
        out.floats("score")[rows] = first
        if (unknown := np.isnan(first)).any():
            odd[FLAG_NO_SCORE] = rows[unknown]
            out.nulls("score")[rows[unknown]] = 1
        out.numbers("decision")[rows] = decisions
        flagged = np.flatnonzero((decisions != APPROVE) | (ids[rows] < self._sampled_below))
        if len(flagged):
            explained = self._reasons.explain(vectors[flagged])
            for row, groups in zip(rows[flagged].tolist(), explained, strict=True):
                first = counts[row]  # reasons of rules stand first
                words = [self._reason_words[group] for group in groups[: MAX_REASONS - first]]
                codes[row, first : first + len(words)] = words
                counts[row] += len(words)
        return tuple(np.bincount(decisions, minlength=4).tolist())

    def _ask_again(
        self, stage2: Stage2, rows: NDArray[np.int64], vectors: NDArray[np.float32], scores: NDArray[np.float32],
        odd: dict[str, NDArray[np.int64]],
    ) -> NDArray[np.float32]:  # fmt: skip
        """The scores to decide by: of the uncertain band the second stage's, which go into the banks as well."""
        asked = np.flatnonzero((scores >= np.float32(stage2.low)) & (scores < np.float32(stage2.high)))
        if not len(asked):
            return scores
        again = stage2.model.predict(vectors[asked])
        if stage2.model.is_degraded:
            odd[FLAG_GPU_LOST] = rows[asked]
        known = ~np.isnan(again)
        if not known.all():
            odd[FLAG_NO_STAGE2] = rows[asked[~known]]
            asked, again = asked[known], again[known]
        self._encoder.floats("stage2_score")[rows[asked]] = again
        self._encoder.nulls("stage2_score")[rows[asked]] = 0
        scores = scores.copy()
        scores[asked] = again
        return scores

    def _apply_rules(
        self, columns: Columns, rows: NDArray[np.int64], vectors: NDArray[np.float32], scores: NDArray[np.float32],
        decisions: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """What rules are true of each scored row: decisions are raised, never lowered; rules and their reasons, into the banks."""
        seen = BatchRows(columns=columns, rows=rows, features=self._features, vectors=vectors, scores=scores)
        codes, counts = self._encoder.codes("reasons")
        named, named_counts = self._encoder.codes("rules")
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
            filled = np.arange(MAX_WORDS) < counts[room][:, None]  # what stands behind is of batches before
            room = room[~((codes[room] == reason) & filled).any(axis=1)]
            codes[room, counts[room]] = reason
            counts[room] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """Of each record of a batch that was applied: its customer's slot, its verdict, what is known of its original."""

    slots: NDArray[np.int32]
    verdicts: NDArray[np.uint8]
    told: Told


_NULL_WHEN_REJECTED = (
    "transaction_id", "customer_id", "occurred_at", "base_amount_minor", "base_currency", "score", "decision",
    "model_version", "feature_set",
)  # fmt: skip
