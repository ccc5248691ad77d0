"""What a score, or a step of the ladder, means: to the caller, and to who reads answers.v1."""

from dataclasses import dataclass
from typing import Any

import msgspec

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.ladder import Step
from riskstream.gateway.once.known import Known

FLAG_LATE, FLAG_UNRECORDED = "no_score_in_time", "not_recorded"
"""No score came in time: the ladder decided. Kafka had not said that it has the transaction: send
it again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """How a call for a decision ended: with a score, or a step of the ladder. `place`: partition
    and offset of the transaction, None where Kafka had not told by then.
    """

    transaction: Transaction
    place: tuple[int, int] | None
    score: dict[str, Any] | None
    step: Step | None
    deadline_ms: int
    elapsed_ms: float
    replayed: dict[str, Any] | None = None
    """What the caller of an earlier request was told, where this one is its repeat."""

    @classmethod
    def of(cls, known: Known, transaction: Transaction, deadline_ms: int) -> "Decided":
        """What is remembered of a decision, for who asks again."""
        told = told_of(known, transaction.transaction_id)
        told.pop("late_score", None)
        return cls(
            transaction=transaction,
            place=known.place,
            score=dict(told) if told["rung"] == "SCORE" else None,
            step=None,
            deadline_ms=deadline_ms,
            elapsed_ms=told["elapsed_ms"],
            replayed=told,
        )

    def kept(self) -> bytes:
        """What is to be remembered of it, beside its place."""
        told = self.body()
        if self.score is not None and self.score["verdict"] == "REJECTED":
            told["reason"] = self.score["reason"]
        for name in ("transaction_id", "partition", "offset"):
            del told[name]
        return msgspec.json.encode(told)

    def body(self) -> dict[str, Any]:
        """What the caller is told."""
        if self.replayed is not None:
            return dict(self.replayed)
        out: dict[str, Any] = {"transaction_id": self.transaction.transaction_id}
        place = self.place or (None, None)
        if self.score is not None:
            names = ("decision", "score", "reasons", "flags", "verdict", "model_version")
            out |= {"rung": "SCORE"} | {name: self.score[name] for name in names}
            place = self.score["partition"], self.score["src"]
        elif self.step is not None:
            out |= {
                "rung": self.step.rung,
                "decision": self.step.decision,
                "score": None,
                "reasons": self.step.reasons,
                "flags": (FLAG_LATE,) if self.place else (FLAG_LATE, FLAG_UNRECORDED),
                "verdict": None,
                "model_version": None,
            }
        partition, offset = place
        elapsed_ms = round(self.elapsed_ms, 3)
        return {**out, "partition": partition, "offset": offset, "elapsed_ms": elapsed_ms}

    def record(self, answer_id: str, answered_at: int) -> dict[str, Any]:
        """The same as answer.v1 says it. `answered_at`: ms since 1970."""
        score, step = self.score, self.step
        partition, offset = self.place or (None, None)
        is_rejected = score is not None and score["verdict"] == "REJECTED"
        told: dict[str, Any] = {"outcome": "REJECTED", "rung": "UNKNOWN", "decision": None}
        if step is not None:
            told = {
                "outcome": "TIMED_OUT",
                "rung": step.rung,
                "decision": step.decision,
                "reasons": step.reasons,
                "rules_version": step.rules_version,
            }
        elif score is not None and not is_rejected:
            told = {
                "outcome": "DECIDED",
                "rung": "SCORE",
                "decision": score["decision"],
                "reasons": score["reasons"],
            }
        return {
            "reasons": (),
            "rules_version": None,
            **told,
            "answer_id": answer_id,
            "transaction_id": self.transaction.transaction_id,
            "customer_id": self.transaction.customer_id,
            "score": score["score"] if score else None,
            "src_partition": partition,
            "src": offset,
            "deadline_ms": self.deadline_ms,
            "elapsed_ms": self.elapsed_ms,
            "answered_at": answered_at,
        }


def told_of(known: Known, transaction_id: str) -> dict[str, Any]:
    """What the caller was told, by what is remembered. Since then Kafka may have told where the
    transaction stands.
    """
    kept: dict[str, Any] = msgspec.json.decode(known.told or b"{}")
    partition, offset = known.place or (None, None)
    if known.place is not None:
        kept["flags"] = [each for each in kept["flags"] if each != FLAG_UNRECORDED]
    elapsed_ms = kept.pop("elapsed_ms")
    place = {"partition": partition, "offset": offset, "elapsed_ms": elapsed_ms}
    return {"transaction_id": transaction_id, **kept, **place}


def with_late(told: bytes, score: dict[str, Any]) -> bytes:
    """What is remembered, with the score that came after the caller was told: of one that agrees
    its decision alone.
    """
    names = ("decision", "score", "verdict")
    late = {name: score[name] for name in names if name in score}
    return msgspec.json.encode(msgspec.json.decode(told) | {"late_score": late})
