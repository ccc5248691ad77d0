"""Logged vectors joined with labels: which label counts, what is left out, and that one can train
on it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import NOW_MS, score
from tests.support.vectors import column

from riskstream.cli.logged import WORDS
from riskstream.cli.train import command as train_command
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.platform.kafka.record import Record
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.workbench.checks.scored import read_scored
from riskstream.workbench.rows.logged import Joined, LoggedRows, is_logged, read_logged

WIDE = len(STANDARD.names)


def _record(topic: str, offset: int, value: bytes | None, partition: int = 0) -> Record:
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        appended_at=NOW_MS,
        key=b"c",
        value=value,
        headers=[],
    )


def _score(src: int, **changes: Any) -> Record:
    vector = [float(src)] * WIDE
    said = score(
        **{
            "src": src,
            "prev": src - 1,
            "transaction_id": f"t{src}",
            "occurred_at": NOW_MS + src,
            "features": vector,
            **changes,
        }
    )
    return _record("scores.v1", src, codec("score.v1").encode(said))


def _label(name: str, days: float, **changes: Any) -> Record:
    said = {
        "label_id": "l",
        "transaction_id": name,
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "IMPORT",
        "occurred_at": NOW_MS,
        "known_at": NOW_MS + int(days * DAY_MS),
        "loss_minor": 0,
        "base_currency": "EUR",
        "terminal_id": None,
        "device_id": None,
        **changes,
    }
    return _record("labels.v1", 0, codec("label.v1").encode(said))


def _frauds(table: pa.Table) -> dict[str, bool]:
    return dict(
        zip(table["transaction_id"].to_pylist(), table["is_fraud"].to_pylist(), strict=True)
    )


def test_a_label_joins_the_vector_that_was_used_up_to_120_days_later() -> None:
    rows = LoggedRows(STANDARD)
    rows.take_labels([_label("t0", 119.9), _label("t1", 120.1), _label("t9", 1)])
    rows.take_scores([_score(0), _score(1), _score(2)])
    table = rows.table()
    assert _frauds(table) == {"t0": True, "t1": False, "t2": False}
    assert table["label_known_at"].cast(pa.int64()).to_pylist()[0] == NOW_MS + int(119.9 * DAY_MS)
    np.testing.assert_array_equal(table[f"feature:{STANDARD.names[3]}"].to_numpy(), [0.0, 1.0, 2.0])
    assert (rows.found.late, rows.found.strange, rows.found.rows, rows.found.frauds) == (1, 1, 3, 1)


def test_what_was_known_then_is_what_counts() -> None:
    rows = LoggedRows(STANDARD)
    rows.take_labels(
        [
            _label("t0", 10),
            _label("t1", 2),
            _label("t1", 30, outcome="GENUINE", source="CHARGEBACK"),
        ]
    )
    rows.take_scores([_score(0), _score(1)])
    assert _frauds(rows.table(NOW_MS + 1 * DAY_MS)) == {}  # too young to be called genuine
    assert _frauds(rows.table(NOW_MS + 3 * DAY_MS)) == {"t1": True}
    assert _frauds(rows.table(NOW_MS + 8 * DAY_MS)) == {"t0": False, "t1": True}
    assert _frauds(rows.table(NOW_MS + 40 * DAY_MS)) == {"t0": True, "t1": False}


def test_a_label_is_of_one_customers_transaction(tmp_path: Path) -> None:
    rows = LoggedRows(STANDARD)
    rows.take_scores([_score(0), _score(1, transaction_id="t0", customer_id="c-2")])
    rows.take_labels([_label("t0", 3, customer_id="c-2"), _label("t0", 3, customer_id="c-3")])
    table = rows.table(NOW_MS + 8 * DAY_MS)
    assert dict(
        zip(table["customer_id"].to_pylist(), table["is_fraud"].to_pylist(), strict=True)
    ) == {
        "c-1": False,
        "c-2": True,
    }
    assert rows.found.strange == 1
    pq.write_table(table, tmp_path / "logged.parquet")
    assert read_scored(
        tmp_path / "logged.parquet", tmp_path / "logged.parquet", 0.5
    ).label.tolist() == [False, True]


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(
        st.tuples(
            st.sampled_from(["CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT"]),
            st.integers(1, 100),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda each: each[:2],
    ),
    order=st.randoms(),
)
def test_precedence_is_by_source_then_the_later_and_not_by_order_of_arrival(
    said: Any, order: Any
) -> None:
    rank = ["IMPORT", "CUSTOMER", "ANALYST", "CHARGEBACK"]
    expected = max(said, key=lambda each: (rank.index(each[0]), each[1]))[2]
    order.shuffle(said)
    rows = LoggedRows(STANDARD)
    for source, days, is_fraud in said:
        rows.take_labels(
            [_label("t0", days, source=source, outcome="FRAUD" if is_fraud else "GENUINE")]
        )
    rows.take_scores([_score(0)])
    assert _frauds(rows.table()) == {"t0": expected}


def test_every_count_has_words_for_people() -> None:
    assert list(WORDS) == list(Joined.__slots__)


def test_repeats_rejected_cold_and_other_sets_are_left_out() -> None:
    rows = LoggedRows(STANDARD)
    rows.take_scores(
        [
            _score(0),
            _score(1, verdict="REJECTED"),
            _score(2, flags=["cold"]),
            _score(0, base_amount_minor=7),
        ]
    )
    rows.take_scores(
        [_score(3, feature_set="other.v1"), _score(4, flags=["stale"]), _score(5, score=None)]
    )
    rows.take_labels(
        [_record("labels.v1", 0, None), _record("labels.v1", 1, b"no label"), _label("t4", 3)]
    )
    table = rows.table(NOW_MS + 9 * DAY_MS)
    assert _frauds(table) == {"t0": False, "t4": True}
    assert table["base_amount_minor"].to_pylist() == [1000, 1000]
    assert (rows.found.cold, rows.found.other_set) == (1, 1)


def _file(path: Path, count: int) -> Path:
    """Rows of which one feature says all."""
    rng = np.random.default_rng(0)
    rows = LoggedRows(STANDARD)
    risky = rng.random(count) < 0.1
    for src in range(count):
        vector = rng.normal(size=WIDE).astype(np.float32)
        vector[STANDARD.names.index("amount")] = 1000.0
        vector[STANDARD.names.index("channel")] = 5.0 if risky[src] else 0.0
        said = score(
            src=src,
            prev=src - 1,
            transaction_id=f"t{src}",
            customer_id=f"c{src % 50}",
            occurred_at=NOW_MS + src,
            features=vector.tolist(),
            score=0.9 if risky[src] else 0.1,
        )
        rows.take_scores([_record("scores.v1", src, codec("score.v1").encode(said))])
    rows.take_labels(
        [_label(f"t{src}", 5, customer_id=f"c{src % 50}") for src in np.flatnonzero(risky).tolist()]
    )
    pq.write_table(rows.table(NOW_MS + 20 * DAY_MS), path)
    return path


def test_one_trains_on_it_and_evaluates_by_it(tmp_path: Path) -> None:
    path = _file(tmp_path / "logged.parquet", 3000)
    assert is_logged(path)
    data = read_logged(path, STANDARD, "EUR")
    assert data.rows.shape == (3000, WIDE)
    assert (column(STANDARD, data.rows, "channel") == 5.0).tolist() == data.labels.tolist()
    result = CliRunner().invoke(
        train_command,
        ["--data", str(path), "--out", str(tmp_path / "m"), "--trees", "5"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "m/model.onnx").exists()
    scored = read_scored(path, path, 0.1)
    assert scored.label.sum() == data.labels.sum()


def test_vectors_of_another_set_and_one_class_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "logged.parquet", 20)
    with pytest.raises(Fatal, match=r"vectors belong to standard\.v2, not to standard-tiles\.v2"):
        read_logged(path, STANDARD_TILES, "EUR")
    with pytest.raises(Fatal, match="amounts are in EUR, and the base currency is USD"):
        read_logged(path, STANDARD, "USD")
    rows = LoggedRows(STANDARD)
    rows.take_scores([_score(0)])
    pq.write_table(rows.table(NOW_MS + 9 * DAY_MS), path)
    with pytest.raises(Fatal, match="all fraud or all genuine"):
        read_logged(path, STANDARD, "EUR")
    (tmp_path / "none.csv").write_text("a\n1\n")
    assert not is_logged(tmp_path / "none.csv")
