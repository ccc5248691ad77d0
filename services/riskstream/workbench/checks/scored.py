"""Scored rows with their labels: joined, and what was left out, by reason.

A row without a label is never a genuine one: it is left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.domain.risk.decision import APPROVE
from riskstream.domain.risk.evaluation import at_budget
from riskstream.domain.risk.features.owned.table import LATEST_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.checks.repeats import names_of, once
from riskstream.workbench.checks.score_files import read_labels, read_scores
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.columns import one_currency
from riskstream.workbench.rows.transactions import AS_IS, Reading

DECISIONS = ("UNKNOWN", "APPROVE", "REVIEW", "BLOCK")
"""By their indices, which `domain.risk.decision` names; UNKNOWN is no decision."""

REASONS = {
    "without_label": (
        "scored transaction without a label",
        "scored transactions without a label",
    ),
    "without_score": ("label without a score", "labels without a score"),
    "empty_label": ("row with an empty label", "rows with an empty label"),
    "empty_score": ("row with an empty score", "rows with an empty score"),
    "unfit": ("row that does not fit", "rows that do not fit"),
    "repeated_score": ("repeat of a scored row", "repeats of scored rows"),
    "repeated_label": ("repeat of a label", "repeats of labels"),
    "scored_by_one": (
        "transaction that only one of the two scored",
        "transactions that only one of the two scored",
    ),
}
"""Why a row was left out, for one and for several."""

Source = tuple[pa.Table, Path]
"""A table, and the file that it is from."""


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
    decision: NDArray[np.int64] | None = None
    """Index of the contract's enum; None where the file has no decisions."""
    budget: float | None = None
    """Share of the rows that was to be alerted; None where it was not asked."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rows by a reason of REASONS."""


def left_out_words(left_out: Mapping[str, int]) -> str:
    """What was left out, by reason; "" where nothing was."""
    return ", ".join(
        f"{count:,} {REASONS[reason][count != 1]}" for reason, count in left_out.items() if count
    )


def read_scored(
    scores: Path,
    labels: Path,
    budget: float,
    reading: Reading = AS_IS,
    left_out: LeftOut | None = None,
) -> Scored:
    """Join scores and labels by customer and transaction, as an id is unique within its customer
    alone.

    Labels without customer_id are joined by transaction where no two customers of the scores share
    an id. A row is alerted by `decision` where there is one, else by the budget. Rows without a
    label or a score, rows that do not fit (`left_out`, with their reasons) and repeats are left out
    and counted. Fatal where a file lacks a column, says two things of one transaction, a score is
    NaN, or no row is left. `reading`: how the labels are read.
    """
    unfit = LeftOut() if left_out is None else left_out
    scored = read_scores(scores, reading, unfit)
    known = read_labels(labels, reading, unfit)
    return joined([(scored, scores)], (known, labels), budget, unfit.total)[0]


def joined(scores: Sequence[Source], labels: Source, budget: float, unfit: int = 0) -> list[Scored]:
    """Each table of scores with the labels: the rows that all tables have, in one order. Fatal as
    `read_scored`, and where two tables differ in what is no score and no decision. `unfit`: rows
    that were left out before.
    """
    left = dict.fromkeys(REASONS, 0) | {"unfit": unfit}
    tables, paths = [], [path for _, path in scores]
    for table, path in scores:
        kept = once(table, names_of(table), "score", path)
        left["repeated_score"] += len(table) - len(kept)
        tables.append(kept)
    every = tables
    tables = _same_rows(tables, paths, left)
    label = _labels(tables[0], every, labels, left)
    is_scored = pc.is_valid(tables[0]["score"])
    for table in tables[1:]:
        is_scored = pc.and_(is_scored, pc.is_valid(table["score"]))
    is_known = pc.is_valid(label)
    left["empty_score"] = pc.sum(pc.and_not(is_known, is_scored)).as_py() or 0
    rows = pc.and_(is_known, is_scored)
    if not pc.any(rows).as_py():
        raise Fatal(
            what=f"no row has a score and a label: left out are {left_out_words(left)}",
            where=f"{paths[0]} and {labels[1]}",
            do="give the labels of the scored transactions",
        )
    frauds = np.array(label.filter(rows).to_numpy(zero_copy_only=False), np.bool_)
    return [
        _scored(table.filter(rows), path, frauds, left, budget)
        for table, path in zip(tables, paths, strict=True)
    ]


def _same_rows(tables: list[pa.Table], paths: list[Path], left: dict[str, int]) -> list[pa.Table]:
    """The rows that all tables have, in the order of the first."""
    if len(tables) == 1:
        return tables
    names = [names_of(table) for table in tables]
    kept = names[0]
    for other in names[1:]:
        kept = kept.filter(pc.is_in(kept, other))
    left["scored_by_one"] = sum(len(each) - len(kept) for each in names)
    out = [table.take(pc.index_in(kept, own)) for table, own in zip(tables, names, strict=True)]
    for name in ("occurred_at", "base_amount_minor"):
        for table, path in zip(out[1:], paths[1:], strict=True):
            same = pc.equal(_whole(out[0][name]), _whole(table[name]))
            if not pc.all(same).as_py():
                at = int(pc.index(same, False).as_py())
                raise Fatal(
                    what=f"transaction {table['transaction_id'][at]} has {name} "
                    f"{out[0][name][at]} in {paths[0].name} and {table[name][at]} here",
                    where=str(path),
                    do="give scores of the same transactions",
                    exit_code=Exit.INPUT,
                )
    return out


def _labels(
    scored: pa.Table, every: list[pa.Table], labels: Source, left: dict[str, int]
) -> pa.ChunkedArray:
    """The label of each scored row, null where it has none. A label is without a score where none
    of `every` table has its transaction.
    """
    known, path = labels
    has_customers = "customer_id" in known.column_names
    name = names_of if has_customers else _ids
    ours = name(scored)
    if not has_customers:
        _check_ids_of_one_customer(ours, path)
    kept = once(known, name(known), "is_fraud", path)
    left["repeated_label"] = len(known) - len(kept)
    theirs = name(kept)
    is_scored = pc.is_in(theirs, ours)
    for table in every if len(every) > 1 else []:
        is_scored = pc.or_(is_scored, pc.is_in(theirs, name(table)))
    at = pc.index_in(ours, theirs)
    label = kept["is_fraud"].take(at)
    left["without_label"] = at.null_count
    left["without_score"] = len(theirs) - is_scored.true_count
    left["empty_label"] = label.null_count - at.null_count
    return label


def _ids(table: pa.Table) -> pa.Array:
    return table["transaction_id"].combine_chunks()


def _check_ids_of_one_customer(ids: pa.Array, labels: Path) -> None:
    """Fatal where two customers share an id: a label without a customer is of neither."""
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    counts = pc.value_counts(ids)
    shared = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
    raise Fatal(
        what=f"transaction {shared['values']} belongs to several customers, and its label does "
        "not say which",
        where=str(labels),
        do="add the column customer_id",
        exit_code=Exit.INPUT,
    )


def _scored(
    table: pa.Table, path: Path, label: NDArray[np.bool_], left: dict[str, int], budget: float
) -> Scored:
    score = np.array(table["score"].to_numpy(), np.float64)
    if np.isnan(score).any():
        at = int(np.flatnonzero(np.isnan(score))[0])
        raise Fatal(
            what=f"the score of transaction {table['transaction_id'][at]} is not a number",
            where=str(path),
            do="leave the score empty where a transaction was not scored",
            exit_code=Exit.INPUT,
        )
    decision = _decisions(table, path) if "decision" in table.column_names else None
    return Scored(
        score=score,
        label=label,
        alerted=at_budget(label, score, budget)[2] if decision is None else decision != APPROVE,
        customer=_numbered(table["customer_id"]),
        occurred_at=_instants(table["occurred_at"], path),
        amount_minor=np.array(table["base_amount_minor"].to_numpy(), np.int64),
        base_currency=one_currency(table, path),
        decision=decision,
        budget=budget if decision is None else None,
        left_out=left,
    )


def _decisions(table: pa.Table, path: Path) -> NDArray[np.int64]:
    column = table["decision"]
    found = pc.index_in(column, pa.array(DECISIONS[APPROVE:], column.type))
    if found.null_count:
        wrong = column.filter(pc.is_null(found))[0].as_py()
        raise Fatal(
            what=f"column decision has {wrong!r}, which is no decision",
            where=str(path),
            do="give APPROVE, REVIEW or BLOCK, or drop the column to alert by --budget",
            exit_code=Exit.INPUT,
        )
    return np.array(found.to_numpy(), np.int64) + APPROVE


def _numbered(customers: pa.ChunkedArray) -> NDArray[np.int32]:
    """A number of each row's customer, which the order of the rows does not change."""
    texts = customers.cast(pa.string())
    known = pc.unique(texts)
    known = known.take(pc.sort_indices(known))
    return np.array(pc.index_in(texts, known).to_numpy(), np.int32)


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """int64; instants of any unit in ms."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False)
    return column.cast(pa.int64())


def _instants(column: pa.ChunkedArray, path: Path) -> NDArray[np.int64]:
    found = np.array(_whole(column).to_numpy(), np.int64)
    if len(wrong := np.flatnonzero((found < 0) | (found > LATEST_MS))):
        raise Fatal(
            what=f"column occurred_at has {found[wrong[0]]}, which is no instant",
            where=str(path),
            do=f"give ms since 1970 UTC from 0 to {LATEST_MS}",
            exit_code=Exit.INPUT,
        )
    return found
