"""The exact lane with the scorer's own core in the world; its scores are compared with the oracle
of chaos.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.chaos.oracle import Oracle, differs
from loadtests.simulation.exact import Exact, Fold
from loadtests.simulation.work import COLD, PARTIAL, VERDICTS, Score
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.lanes.ports import LaneWork
from riskstream.platform.kafka.memory.log import Entry
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy

POLICY = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
INPUTS = len(STANDARD.inputs)
BEGAN_MS, MINUTE_MS = 1_717_236_000_000, 60_000
_FLAGS = {"cold": COLD, "partial_history": PARTIAL}


class _Constant:
    """A model that says one number."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(len(rows), 0.25, np.float32)


class OracleFold:
    """The oracle of chaos: windows counted event by event."""

    def __init__(self) -> None:
        self._oracle = Oracle()

    def compared(self, entry: Entry, score: Score | None) -> str:
        if (entry.value or b"").startswith(b"bad"):
            return (
                ""
                if score is None or VERDICTS[score.verdict] == "REJECTED"
                else (f"verdict {score.verdict}")
            )
        told = score is not None and bool(score.flags) and VERDICTS[score.verdict] == "DUPLICATE"
        transaction = codec("transaction.v1").decode(entry.value)
        expected = self._oracle.apply(transaction, told_a_repeat=told)
        if score is None:
            return ""
        verdict = VERDICTS[score.verdict]
        if score.flags and (expected.verdict, verdict) == ("DUPLICATE", "GOOD"):
            return ""
        if verdict != expected.verdict:
            return f"verdict {verdict}, must be {expected.verdict}"
        if not score.flags and differs(expected.features, list(score.features)):
            return f"features {score.features}, must be {expected.features}"
        return ""


class Scorer(Exact):
    """A Scene."""

    def work(self) -> LaneWork[Any]:
        return ScorerCore(STANDARD, _Constant(), POLICY, 64, "EUR")

    def records(self, partition: int, text: str) -> list[tuple[bytes, bytes]]:  # noqa: ARG002
        key, _, name = text.partition("=")
        return [(key.encode(), b"bad" if name.startswith("bad") else _frame(key, name))]

    def score_of(self, frame: bytes) -> Score:
        return _score_of(frame)

    def is_rejected(self, entry: Entry) -> bool:
        return (entry.value or b"").startswith(b"bad")

    def row_at(self, row: bytes) -> int:
        return int.from_bytes(row[8:16], "little", signed=True)

    def fold(self) -> Fold:
        return OracleFold()

    def rows(self, partition: int, accepted: list[Score]) -> list[str]:  # noqa: ARG002  scores that follow show what a row holds
        return []


@lru_cache(4096)
def _frame(key: str, name: str) -> bytes:
    number = sum(name.encode())
    return codec("transaction.v1").encode(
        {
            "transaction_id": name,
            "customer_id": key,
            "account_token": "tok",
            "terminal_id": "term",
            "merchant_id": "m",
            "mcc": 5411,
            "country": "BE",
            "channel": "POS",
            "kind": "REFUND" if number % 9 == 0 else "PURCHASE",
            "amount_minor": 1000 + number,
            "currency": "EUR",
            "base_amount_minor": 1000 + number,
            "base_currency": "EUR",
            "rates_version": "",
            "device_id": "d",
            "counterparty_id": None,
            "occurred_at": BEGAN_MS - number % 90 * MINUTE_MS,
            "corrects": None,
        }
    )


@lru_cache(4096)
def _score_of(frame: bytes) -> Score:
    said = codec("score.v1").decode(frame)
    flags = sum(_FLAGS.get(each, 0) for each in said["flags"])
    return Score(
        src=said["src"],
        prev=said["prev"],
        verdict=VERDICTS.index(said["verdict"]),
        reason=said["reason"] or "",
        key=(said["customer_id"] or "").encode(),
        records=0,
        digest=0,
        flags=flags,
        features=tuple(said["features"][INPUTS:]),
    )
