"""Scores against labels: how well they rank, what an alert budget finds a day, and the money of
it.
"""

import itertools
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riskstream.domain.contracts.catalog import contract
from riskstream.domain.risk.evaluation import (
    at_budget,
    average_precision,
    calibration,
    card_precision,
    roc_auc,
)
from riskstream.domain.risk.features.declare import Aggregate, FeatureSet, Input
from riskstream.domain.risk.money import exact, shown
from riskstream.runtime.causes import cause
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.words import count_of
from riskstream.workbench.rows.dataset import BASE_CURRENCY, one_currency

SCORES = ("transaction_id", "customer_id", "occurred_at", "base_amount_minor", "score")
LABELS = ("transaction_id", "is_fraud")
CARDS_A_DAY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """n scored rows with their labels; `alerted` where a decision was not to approve."""

    score: NDArray[np.float64]
    label: NDArray[np.bool_]
    alerted: NDArray[np.bool_]
    customer: NDArray[np.int32]
    occurred_at: NDArray[np.int64]
    amount_minor: NDArray[np.int64]
    base_currency: str = ""
    """Of the amounts; "" where the file does not say."""


def read_scored(scores: Path, labels: Path, budget: float) -> Scored:
    """Join scores and labels by customer and transaction, as an id is unique within its customer
    alone.

    Labels without customer_id are joined by transaction where no two customers of the scores share
    an id. A row is alerted by `decision` where there is one, else by the budget. Fatal where a file
    lacks a column, holds a null or a transaction twice, a score is NaN, a score has no label, or a
    label no score.
    """
    table = _read(scores, SCORES, ("decision", BASE_CURRENCY))
    known = _read(labels, LABELS, ("customer_id",))
    ours, theirs = _joined_by(table, scores, known, labels)
    at = pc.index_in(ours, theirs)
    if at.null_count:
        name = table["transaction_id"].filter(pc.is_null(at))[0].as_py()
        raise Fatal(
            what=f"{count_of(at.null_count, 'scored transaction')} without a label, {name} first",
            where=str(labels),
            do="give the labels of all of them",
            exit_code=2,
        )
    if len(known) > len(table):
        unknown = known.filter(pc.invert(pc.is_in(theirs, ours)))
        raise Fatal(
            what=f"{count_of(len(unknown), 'label')} of transactions without a score, "
            f"{unknown['transaction_id'][0].as_py()} first",
            where=str(labels),
            do="give the labels of the scored transactions alone",
            exit_code=2,
        )
    score = _scores(table, scores)
    label = _labels(known["is_fraud"].take(at), labels)
    if "decision" in table.column_names:
        alerted = np.array(
            pc.not_equal(table["decision"], "APPROVE").to_numpy(zero_copy_only=False), np.bool_
        )
    else:
        alerted = at_budget(label, score, budget)[2]
    codes = table["customer_id"].combine_chunks().dictionary_encode().indices
    return Scored(
        score=score,
        label=label,
        alerted=alerted,
        customer=np.array(codes, np.int32),
        occurred_at=np.array(table["occurred_at"].cast(pa.int64()).to_numpy(), np.int64),
        amount_minor=np.array(table["base_amount_minor"].to_numpy(), np.int64),
        base_currency=one_currency(table, scores),
    )


def _scores(table: pa.Table, path: Path) -> NDArray[np.float64]:
    """The scores of the rows. Fatal where one is NaN."""
    score = np.array(table["score"].to_numpy(), np.float64)
    if np.isnan(score).any():
        raise Fatal(
            what=f"row {int(np.flatnonzero(np.isnan(score))[0])} has no number as its score",
            where=str(path),
            do="drop rows that were not scored",
            exit_code=2,
        )
    return score


def _labels(column: pa.ChunkedArray, path: Path) -> NDArray[np.bool_]:
    """The labels of the rows, true for fraud. Fatal where all are of one class."""
    label = np.array(column.cast(pa.bool_()).to_numpy(zero_copy_only=False), np.bool_)
    if label.all() or not label.any():
        raise Fatal(
            what="the labels are all fraud or all genuine",
            where=str(path),
            do="give frauds and genuine ones",
            exit_code=2,
        )
    return label


def evaluate(data: Scored) -> dict[str, Any]:
    """Every figure, by name; money in minor units.

    `saved` is the amount of frauds that were alerted, `lost` of those that were not, `stopped` of
    genuine ones that were.
    """
    day = data.occurred_at // DAY_MS
    error, bins = calibration(data.label, data.score)
    return {
        "rows": len(data.label),
        "frauds": int(data.label.sum()),
        "base_currency": data.base_currency,
        "auc": roc_auc(data.label, data.score),
        "average_precision": average_precision(data.label, data.score),
        f"card_precision_{CARDS_A_DAY}": card_precision(
            data.label, data.score, data.customer, day, CARDS_A_DAY
        ),
        "calibration_error": error,
        "brier": float(np.mean((data.score - data.label) ** 2)),
        **_alerts(data, np.ones(len(data.label), np.bool_)),
        "calibration": [asdict(each) for each in bins],
        "days": [
            {
                "day": datetime.fromtimestamp(int(each) * DAY_MS / 1000, UTC).strftime("%Y-%m-%d"),
                "rows": int((day == each).sum()),
                "frauds": int(data.label[day == each].sum()),
                **_alerts(data, day == each),
            }
            for each in np.unique(day)
        ],
    }


def slices(data: Scored, rows: NDArray[np.float32], features: FeatureSet) -> list[dict[str, Any]]:
    """By channel, kind, amount and whether the customer is new: rows, frauds, average precision,
    and the alerts' figures.
    """
    found: list[tuple[str, NDArray[np.bool_]]] = []
    for at, each in enumerate(features.inputs):
        if each.input in _SYMBOLS:
            symbols = _symbols(_SYMBOLS[each.input])
            found += [
                (f"{each.name} {symbols[int(value)]}", rows[:, at] == value)
                for value in np.unique(rows[:, at])
            ]
    edges = np.quantile(data.amount_minor, [0, 0.5, 0.9, 0.99, 1])
    for low, high in itertools.pairwise(edges):
        inside = (data.amount_minor > low if low > edges[0] else data.amount_minor >= low) & (
            data.amount_minor <= high
        )
        found.append((f"amount up to {shown(round(high), data.base_currency)}", inside))
    counts = [
        at
        for at, each in enumerate(features.owned, len(features.inputs))
        if each.aggregate is Aggregate.COUNT
    ]
    if counts:
        longest = max(counts, key=lambda at: features.owned[at - len(features.inputs)].window_ms)
        days = features.owned[longest - len(features.inputs)].window_ms // DAY_MS
        found += [
            (f"new customer: no payment in {days} days", rows[:, longest] <= 1),
            ("known customer", rows[:, longest] > 1),
        ]
    return [
        {
            "name": name,
            "rows": int(mask.sum()),
            "frauds": int(data.label[mask].sum()),
            "average_precision": average_precision(data.label[mask], data.score[mask])
            if data.label[mask].any()
            else None,
            **_alerts(data, mask),
        }
        for name, mask in found
        if mask.any()
    ]


_SYMBOLS = {Input.KIND: "kind", Input.CHANNEL: "channel"}


def _symbols(field: str) -> list[str]:
    schema: Any = next(
        each for each in contract("transaction.v1").schema["fields"] if each["name"] == field
    )
    return list(schema["type"]["symbols"])


def curves(data: Scored, points: int = 200) -> dict[str, list[tuple[float, float]]]:
    """Points of the precision-recall curve (recall, precision) and of the ROC curve (false, true
    positive rate).
    """
    order = np.argsort(-data.score, kind="stable")
    hits = np.cumsum(data.label[order])
    ends = np.append(np.flatnonzero(np.diff(data.score[order])), len(order) - 1)
    frauds = hits[-1]
    found, looked_at = hits[ends], ends + 1
    recall, precision = found / frauds, found / looked_at
    false = (looked_at - found) / max(len(order) - frauds, 1)
    return {
        "precision_recall": _thinned(recall, precision, points),
        "roc": [(0.0, 0.0), *_thinned(false, recall, points)],
    }


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int
) -> list[tuple[float, float]]:
    places = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], points)))
    return [(float(x[place]), float(y[place])) for place in places]


def _alerts(data: Scored, rows: NDArray[np.bool_]) -> dict[str, Any]:
    alerts, frauds = data.alerted & rows, data.label & rows
    hits, amounts = int((alerts & frauds).sum()), exact(data.amount_minor)
    return {
        "alerts": int(alerts.sum()),
        "precision": hits / int(alerts.sum()) if alerts.any() else None,
        "recall": hits / int(frauds.sum()) if frauds.any() else None,
        "saved_minor": int(amounts[alerts & frauds].sum()),
        "lost_minor": int(amounts[frauds & ~alerts].sum()),
        "stopped_minor": int(amounts[alerts & ~frauds].sum()),
    }


def _joined_by(
    scored: pa.Table, scores: Path, known: pa.Table, labels: Path
) -> tuple[pa.Array, pa.Array]:
    """What the rows of both tables are joined by, each once."""
    ours = names_of(scored)
    _no_row_twice(scored, ours, scores, "drop repeated rows")
    if "customer_id" in known.column_names:
        theirs = names_of(known)
        _no_row_twice(known, theirs, labels, "drop repeated rows")
        return ours, theirs
    ids = scored["transaction_id"].combine_chunks()
    if (shared := _first_twice(scored, ids)) is not None:
        raise Fatal(
            what=f"transaction {shared['transaction_id']} belongs to several customers, and its "
            "label does not say which",
            where=str(labels),
            do="add the column customer_id",
            exit_code=2,
        )
    theirs = known["transaction_id"].combine_chunks()
    _no_row_twice(known, theirs, labels, "drop repeated rows, or add the column customer_id")
    return ids, theirs


def names_of(table: pa.Table) -> pa.Array:
    """A text of each row's customer_id and transaction_id, by which rows of two tables are
    joined.
    """
    customers = table["customer_id"].cast(pa.string())
    length = pc.binary_length(customers).cast(pa.string())
    return pc.binary_join_element_wise(
        length, customers, table["transaction_id"].cast(pa.string()), "|"
    ).combine_chunks()


def _no_row_twice(table: pa.Table, names: pa.Array, path: Path, do: str) -> None:
    if (twice := _first_twice(table, names)) is not None:
        of = f" of customer {twice['customer_id']}" if "customer_id" in twice else ""
        raise Fatal(
            what=f"transaction {twice['transaction_id']}{of} appears twice",
            where=str(path),
            do=do,
            exit_code=2,
        )


def _first_twice(table: pa.Table, names: pa.Array) -> dict[str, Any] | None:
    """The first row whose name stands above it already; None where there is none."""
    if pc.count_distinct(names).as_py() == len(names):
        return None
    codes = names.dictionary_encode().indices.to_numpy()
    firsts = np.unique(codes, return_index=True)[1]
    found: dict[str, Any] = table.slice(
        int(np.setdiff1d(np.arange(len(codes)), firsts)[0]), 1
    ).to_pylist()[0]
    return found


def _read(path: Path, needed: tuple[str, ...], more: tuple[str, ...]) -> pa.Table:
    try:
        found = pq.read_schema(path).names
        missing = [name for name in needed if name not in found]
        if missing:
            raise Fatal(
                what=f"column {missing[0]} is missing",
                where=str(path),
                do=f"give {', '.join(needed)}",
                exit_code=2,
            )
        table = pq.read_table(path, columns=[*needed, *(name for name in more if name in found)])
    except (OSError, pa.ArrowInvalid) as error:
        raise Fatal(
            what=f"it cannot be read: {cause(error)}",
            where=str(path),
            do="give a Parquet file",
            exit_code=2,
        ) from error
    ids = table["transaction_id"].cast(pa.string())
    table = table.set_column(table.column_names.index("transaction_id"), "transaction_id", ids)
    for name in table.column_names:
        if table[name].null_count:
            raise Fatal(
                what=f"column {name} has empty values",
                where=str(path),
                do="fill or drop those rows",
                exit_code=2,
            )
    if not len(table):
        raise Fatal(what="it holds no rows", where=str(path), do="give some", exit_code=2)
    return table
