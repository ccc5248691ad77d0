"""What a score, or a step of the ladder, means: to the caller, and to who reads answers.v1."""

from dataclasses import dataclass
from typing import Any

from riskstream.domain.contracts.records import Transaction
from riskstream.gateway.ladder import Step

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

    def body(self) -> dict[str, Any]:
        """What the caller is told."""
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
