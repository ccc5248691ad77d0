"""Money is exact wherever it is added for people, up to the contract's bound, and shown by its
currency's digits.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import counted, score
from tests.support.counted import series
from tests.support.customer_state import CustomerState
from tests.support.snapshots import add

from riskstream.domain.contracts.catalog import MAX_AMOUNT_MINOR
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.money import exact, minor_of, shown
from riskstream.domain.risk.rules.rule import names_of, read_rules
from riskstream.reporter.core import Control, Snapshot, report
from riskstream.reporter.totals import Totals
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.checks.dry_run import dry_run
from riskstream.workbench.checks.evaluate import evaluate
from riskstream.workbench.checks.scored import Scored as ScoredRows
from riskstream.workbench.checks.tried_rows import FileRows
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.rows.transactions import read_transactions
from riskstream.workbench.training.thresholds import Costs, by_cost, cost_minor

AMOUNTS = st.lists(st.integers(MAX_AMOUNT_MINOR - 99, MAX_AMOUNT_MINOR), min_size=2, max_size=60)
AT_MS = 1_717_236_000_000


@pytest.mark.parametrize("n", [1, 900_000, 1_000_001])
def test_any_number_of_the_largest_amounts_is_summed(n: int) -> None:
    """Past 922,337 of them an int64 no longer holds the sum."""
    amounts = np.full(n, MAX_AMOUNT_MINOR, np.int64)
    assert int(exact(amounts).sum()) == n * MAX_AMOUNT_MINOR
    labels, scores = np.ones(n, np.bool_), np.zeros(n)
    costs = Costs(review_minor=1, block_minor=1)
    assert cost_minor(scores, labels, amounts, costs, 0.5, 0.6) == n * MAX_AMOUNT_MINOR
    assert by_cost(scores, labels, amounts, costs)[1] == 0.0  # to block them all costs nothing


@settings(max_examples=40, deadline=None)
@given(amounts=AMOUNTS)
def test_states_control_totals_and_reports_add_to_the_last_minor_unit(amounts: list[int]) -> None:
    state, totals, snapshot = CustomerState("c"), Totals(), Snapshot()
    for src, amount in enumerate(amounts):
        occurred_at = AT_MS + src * 600_000
        said = score(
            decision="BLOCK", base_amount_minor=amount, occurred_at=occurred_at, src=src, score=0.5
        )
        state.add(counted(said, AT_MS))
        totals.of(0).take_scores(series([counted(said, AT_MS, offset=src)]), len(amounts))
    add(snapshot, state.record(0))
    control: Control = totals.control()
    for src in range(len(amounts)):
        control.add_alert(AT_MS + src * 600_000, is_block=True)
    for grain in ("HOURLY", "DAILY"):
        found = report(grain, snapshot, control, grace_ms=0, so_far=True)
        assert found is not None
        assert (
            found["totals"]["amount_minor"] == found["totals"]["alert_amount_minor"] == sum(amounts)
        )
        assert found["control"]["amount_minor"] == sum(amounts)
        assert found["is_reconciled"]


@settings(max_examples=40, deadline=None)
@given(amounts=AMOUNTS, seed=st.integers(0, 99))
def test_figures_of_an_evaluation_add_to_the_last_minor_unit(amounts: list[int], seed: int) -> None:
    rng, n = np.random.default_rng(seed), len(amounts)
    label, alerted = rng.random(n) < 0.5, rng.random(n) < 0.5
    label[:2] = True, False
    found = evaluate(
        ScoredRows(
            score=rng.random(n),
            label=label,
            alerted=alerted,
            customer=np.zeros(n, np.int32),
            occurred_at=np.full(n, AT_MS),
            amount_minor=np.array(amounts),
        )
    )
    parts = {
        "saved_minor": label & alerted,
        "lost_minor": label & ~alerted,
        "stopped_minor": ~label & alerted,
    }
    for name, rows in parts.items():
        assert found[name] == sum(amounts[row] for row in np.flatnonzero(rows).tolist())


def _file(path: Path, amounts: list[int], **changes: Any) -> Path:
    n = len(amounts)
    columns = {
        "transaction_id": [f"t{at}" for at in range(n)],
        "customer_id": ["c"] * n,
        "occurred_at": [AT_MS + at for at in range(n)],
        "base_amount_minor": amounts,
        "kind": ["PURCHASE"] * n,
        "channel": ["POS"] * n,
        "mcc": [5411] * n,
        "is_fraud": [at % 2 == 0 for at in range(n)],
        **changes,
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_a_dry_run_adds_to_the_last_minor_unit_and_a_feature_is_the_nearest_float(
    tmp_path: Path,
) -> None:
    amounts = [MAX_AMOUNT_MINOR - at for at in range(1001)]
    path = _file(tmp_path / "in.parquet", amounts, base_currency=["JPY"] * 1001)
    features = SETS["standard"]
    rule = {
        "id": "r",
        "action": "REVIEW",
        "when": "base_amount_minor > 1",
        "max_share": 1.0,
        "reason": "LISTED_TERMINAL",
    }
    rules = read_rules([rule], names_of(features))
    rows = FileRows(path, features, names_of(features), frozenset({"base_amount_minor"}))
    found = dry_run(rules, rows, {})[0]
    assert (found.fraud_minor, found.genuine_minor) == (sum(amounts[::2]), sum(amounts[1::2]))
    assert rows.base_currency == "JPY"
    room = np.empty((len(amounts), len(features.names)))
    vectors = read_transactions(path).vectors(features, out=room)
    last = features.names.index("customer_sum_30d")
    assert vectors[-1, last] == float(sum(amounts))
    assert read_dataset(path, features).amounts_minor.tolist() == amounts
    assert AT_MS % DAY_MS + 1001 < DAY_MS


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_456, "EUR", "1,234.56"),
        (-5, "EUR", "-0.05"),
        (1_234, "JPY", "1,234"),
        (-1, "JPY", "-1"),
        (1_234_567, "KWD", "1,234.567"),
        (7, "KWD", "0.007"),
        (12_345, "CLF", "1.2345"),
        (5, "", "0.05"),
        (MAX_AMOUNT_MINOR * 10**9 + 1, "EUR", f"{10**20:,}.01"),
    ],
)
def test_minor_units_are_shown_by_their_currencys_digits(
    minor: int, currency: str, text: str
) -> None:
    assert shown(minor, currency) == text


@pytest.mark.parametrize(
    ("major", "currency", "minor"),
    [
        (0.29, "EUR", 29),
        (1.005, "EUR", 100),
        (1.015, "EUR", 102),
        (3.0, "JPY", 3),
        (0.5, "JPY", 0),
        (1.0005, "KWD", 1000),
    ],
)
def test_what_people_write_becomes_minor_units_half_to_even(
    major: float, currency: str, minor: int
) -> None:
    assert minor_of(major, currency) == minor
