"""What a score, or none in time, means: to the caller, and to who reads answers.v1."""

from typing import Any

from riskstream.domain.contracts.records import Transaction


def decided(transaction: Transaction, score: dict[str, Any], elapsed_ms: float) -> dict[str, Any]:
    """The body of the answer to a transaction that was scored."""
    return {
        "transaction_id": transaction.transaction_id,
        "decision": score["decision"],
        "score": score["score"],
        "reasons": score["reasons"],
        "flags": score["flags"],
        "verdict": score["verdict"],
        "model_version": score["model_version"],
        "partition": score["partition"],
        "offset": score["src"],
        "elapsed_ms": round(elapsed_ms, 3),
    }


def outcome(
    transaction: Transaction, score: dict[str, Any] | None, place: tuple[int, int] | None
) -> dict[str, Any]:
    """Fields of answer.v1: how the call ended. `score` is None where none came in time, `place` (of
    the transaction, partition and offset) where the broker did not answer in time.
    """
    if score is None:
        word = "TIMED_OUT"
    else:
        word = "REJECTED" if score["verdict"] == "REJECTED" else "DECIDED"
    return {
        "transaction_id": transaction.transaction_id,
        "customer_id": transaction.customer_id,
        "outcome": word,
        "decision": score["decision"] if score else None,
        "score": score["score"] if score else None,
        "src_partition": place[0] if place else None,
        "src": place[1] if place else None,
    }
