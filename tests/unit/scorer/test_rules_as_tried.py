"""Rules match in the scorer the rows that they matched when they were tried on a file."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.book import RuleBook, read_book
from riskstream.domain.risk.rules.rule import names_of
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.platform.kafka.lanes.ports import LIVE, Batch
from riskstream.platform.kafka.record import Record
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy
from riskstream.workbench.checks.tried_rows import (
    FileRows,
    LoggedFileRows,
    TriedRows,
    not_logged,
)
from riskstream.workbench.rows.logged import LoggedRows
from riskstream.workbench.simulator.simulate import START_MS, Simulation, simulate

BATCH = 64
RULES = {
    "night": "hour >= 22 or hour < 6",
    "weekend": "weekday >= 5 and amount > 3000",
    "late-on-friday": "weekday == 4 and hour in (20, 21, 22, 23)",
    "month": "customer_sum_30d > 200000.5",
    "over-mean": "base_amount_minor > customer_mean_7d * 2 and customer_count_7d > 1",
    "large": "customer_sum_1d > 16777216",
    "no-mcc": 'mcc is None and channel != "ATM"',
    "terminal": 'terminal_id in lists["l"]',
}

ENDS = [0, *(START_MS + days * 86_400_000 for days in (1, 4, 7, 10))]
"""When each terminal of the list ends; the first never does."""


class _Never:
    """A model that finds nothing."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(len(rows), np.float32)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Some hundred rows. One sum lies a minor unit above a float of 32 bits, which cannot hold
    it.
    """
    rows = simulate(Simulation(seed=4, customers=30, days=14)).drop_columns(["is_fraud"])
    amounts = rows["base_amount_minor"].to_numpy().copy()
    first = np.unique(rows["customer_id"].to_pylist(), return_index=True)[1][0]
    amounts[first] = 16_777_217
    return rows.set_column(
        rows.column_names.index("base_amount_minor"), "base_amount_minor", pa.array(amounts)
    )


def _records(listed: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rules = [
        {
            "rule_id": name,
            "version": 1,
            "is_on": True,
            "when": when,
            "action": "REVIEW",
            "reason": "R",
            "max_share": 1.0,
        }
        for name, when in RULES.items()
    ]
    return rules, [{"list_id": "l", "values": listed, "ends_at": ENDS[: len(listed)]}]


def _scored(table: pa.Table, listed: list[str]) -> list[bytes]:
    """The score of each row, by a scorer with these rules."""
    policy = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
    core = ScorerCore(STANDARD, _Never(), policy, BATCH, "EUR")
    core.decider.next_rules = read_book(*_records(listed), names_of(STANDARD))
    fields = codec("transaction.v1").contract.schema["fields"]
    rows = table.select([field["name"] for field in fields]).to_pylist()
    frames: list[bytes] = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        n = len(part)
        offsets = np.arange(start, start + n)
        outcome = process(
            core,
            Batch(
                values=[codec("transaction.v1").encode(row) for row in part],
                keys=[row["customer_id"].encode() for row in part],
                partitions=np.zeros(n, np.int32),
                offsets=offsets,
                prevs=offsets - 1,
                appended_at=np.array([row["occurred_at"] for row in part], np.int64),
                modes=np.full(n, LIVE, np.uint8),
                partition_count=1,
            ),
        )
        frames += [bytes(frame) for frame in outcome.frames if frame is not None]
    return frames


def _named(frames: list[bytes]) -> dict[str, list[int]]:
    """By rule the rows whose score names it."""
    found: dict[str, list[int]] = {name: [] for name in RULES}
    for at, frame in enumerate(frames):
        for name in codec("score.v1").decode(frame)["rules"]:
            found[name].append(at)
    return found


def _tried(rows: TriedRows, book: RuleBook) -> dict[str, list[int]]:
    return {
        rule.rule_id: np.flatnonzero(rule.when.matches(rows, book.lists)).tolist()
        for rule in book.rules
    }


def test_each_rule_matches_the_same_rows_live_and_tried(table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    counts = Counter(each for each in table["terminal_id"].to_pylist() if each)
    terminals = [name for name, _ in counts.most_common(len(ENDS))]
    names = names_of(STANDARD)
    book = read_book(*_records(terminals), names)
    assert not book.refused
    needed = frozenset[str]().union(*(rule.when.reads for rule in book.rules))
    rows = FileRows(path, STANDARD, names, needed)
    tried = _tried(rows, book)
    assert _named(_scored(table, terminals)) == tried
    found = {name: len(at) for name, at in tried.items() if name != "large"}
    assert all(0 < count < len(table) for count in found.values()), found
    assert found["terminal"] < sum(counts[name] for name in terminals), "some ended before"


def test_rows_that_scorers_logged_are_tried_without_computing(
    table: pa.Table, tmp_path: Path
) -> None:
    frames, path = _scored(table, []), tmp_path / "logged.parquet"
    logged = LoggedRows(STANDARD)
    logged.take_scores(
        [
            Record(
                topic="scores.v1",
                partition=0,
                offset=at,
                appended_at=at,
                key=b"c",
                value=frame,
                headers=[],
            )
            for at, frame in enumerate(frames)
        ]
    )
    pq.write_table(logged.table(delay_ms=0), path)
    rules = [each for each in _records([])[0] if each["rule_id"] != "terminal"]
    book = read_book(rules, [], names_of(STANDARD))
    needed = frozenset[str]().union(*(rule.when.reads for rule in book.rules))
    assert not_logged(needed, STANDARD) == []
    tried = _tried(LoggedFileRows(path, STANDARD, needed, "EUR"), book)
    live = _named(frames)
    assert tried == {name: live[name] for name in tried}
    assert sum(map(len, tried.values())) > len(table) // 4
