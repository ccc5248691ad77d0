"""Scores of a file's transactions by a trained model, offline: features and model are the scorer's
own, decisions are by the model's thresholds alone, without rules.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.domain.risk.decision import decide
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.offline import Texts
from riskstream.domain.risk.features.sets import set_of
from riskstream.platform.adapters.onnx_model import ModelCard, OnnxModel, SecondStage, read_card
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.checks.scored import DECISIONS
from riskstream.workbench.rows.columns import BASE_CURRENCY
from riskstream.workbench.rows.transactions import Transactions

CHUNK = 65_536
Advance = Callable[[int], None]


class OfflineModel:
    """A model folder as `riskstream train` writes it, with its second stage where that is on.

    Fatal where a file of it is missing, or its feature set is not one of ours.
    """

    def __init__(self, folder: Path) -> None:
        self.card = read_card(folder)
        self.features = _features_of(self.card, folder)
        self._model = OnnxModel(folder, self.features)
        stage2 = self.card.stage2
        self._second = (
            SecondStage(folder, self.card) if stage2 is not None and stage2.is_on else None
        )

    def table(self, read: Transactions, rows: NDArray[np.float32], advance: Advance) -> pa.Table:
        """Of each transaction its score, decision and, where the second stage is on, the score of
        that: as scores.v1 has them. `rows` float32[n, columns] of the model's feature set.
        """
        parts = []
        for start in range(0, len(rows), CHUNK):
            parts.append(self._scores(rows[start : start + CHUNK]))
            advance(len(parts[-1][0]))
        first, again, by = (np.concatenate(each) for each in zip(*parts, strict=True))
        decision = decide(by, self.card.review_from, self.card.block_from)
        currency = read.base_currency or None
        columns = {
            "transaction_id": read.ids.cast(pa.string()),
            "customer_id": _strings(read.columns.customer_id),
            "occurred_at": pa.array(read.columns.occurred_at, pa.timestamp("ms", "UTC")),
            "base_amount_minor": pa.array(read.columns.base_amount_minor, pa.int64()),
            BASE_CURRENCY: pa.array([currency] * len(rows), pa.string()),
            "score": pa.array(first, pa.float32()),
            "decision": pa.array(DECISIONS).take(pa.array(decision)),
        }
        if self._second is not None:
            columns["stage2_score"] = pa.array(again, pa.float32(), from_pandas=True)
        return pa.table(columns)

    def _scores(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """(first stage's, second stage's or NaN, those to decide by), as the scorer asks them."""
        first = self._model.predict(rows)
        again = np.full(len(rows), np.nan, np.float32)
        stage2 = self.card.stage2
        if self._second is not None and stage2 is not None:
            asked = (first >= np.float32(stage2.low)) & (first < np.float32(stage2.high))
            if asked.any():
                again[asked] = self._second.predict(rows[asked])
        return first, again, np.where(np.isnan(again), first, again)


def _features_of(card: ModelCard, folder: Path) -> FeatureSet:
    features = set_of(card.feature_set)  # OnnxModel refuses another version of it
    if features is None:
        raise Fatal(
            what=f"the model was trained on {card.feature_set}, which this version does not have",
            where=str(folder),
            do="train the model again",
            exit_code=Exit.INPUT,
        )
    return features


def _strings(texts: Texts) -> pa.Array:
    offsets = np.concatenate([[0], texts.ends]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(texts.data))]
    return pa.Array.from_buffers(pa.large_string(), len(texts.ends), buffers).cast(pa.string())


def known_labels(read: Transactions) -> pa.Array | None:
    """Labels of the rows, null where the file has none; None where it has no labels at all."""
    if read.labels is None or read.has_label is None:
        return None
    return pa.array(read.labels, mask=~read.has_label)
