"""The simulator: seeded, labelled, and no toy."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.codec import codec
from riskstream.runtime.durations import DAY_MS
from riskstream.workbench.simulator.events import ATTACKS
from riskstream.workbench.simulator.simulate import START_MS, Simulation, simulate

SMALL = Simulation(seed=3, customers=1500, days=40)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return simulate(SMALL)


def test_the_same_seed_gives_the_same_table_and_another_another(table: pa.Table) -> None:
    assert simulate(SMALL).equals(table)
    assert not simulate(Simulation(seed=4, customers=1500, days=40)).equals(table)


def test_rows_are_in_order_unique_and_inside_the_span(table: pa.Table) -> None:
    occurred = table["occurred_at"].to_numpy()
    assert (np.diff(occurred) >= 0).all()
    assert occurred[0] >= START_MS
    assert occurred[-1] < START_MS + 41 * DAY_MS
    assert len(pc.unique(table["transaction_id"])) == table.num_rows
    assert len(set(table["customer_id"].to_pylist())) > 1300


def test_all_six_attacks_are_there_and_frauds_are_rare(table: pa.Table) -> None:
    assert set(table["attack"].to_pylist()) == set(ATTACKS)
    share = table["is_fraud"].to_numpy().mean()
    assert 0.002 < share < 0.02
    assert (
        (table["attack"].to_numpy(zero_copy_only=False) != "") == table["is_fraud"].to_numpy()
    ).all()


def test_labels_arrive_late_and_frauds_within_120_days(table: pa.Table) -> None:
    delay = table["label_known_at"].to_numpy() - table["occurred_at"].to_numpy()
    fraud = table["is_fraud"].to_numpy()
    assert (delay >= DAY_MS).all()
    assert delay[fraud].max() <= 120 * DAY_MS
    assert np.median(delay[fraud]) > 3 * DAY_MS


def test_attacks_look_like_what_they_are_called(table: pa.Table) -> None:
    amount = table["amount_minor"].to_numpy()
    attack = np.array(table["attack"].to_pylist())
    assert amount[attack == "card_testing"].max() <= 400
    under = amount[attack == "under_limit"]
    assert under.min() >= 46_000
    assert under.max() < 50_000
    assert np.median(amount[attack == "account_takeover"]) > 2 * np.median(amount[attack == ""])


def test_every_row_is_a_record_of_the_contract(table: pa.Table) -> None:
    part = table.slice(0, 300)
    frames = ArrowEncoder("transaction.v1", 128).encode(part)
    names = [field["name"] for field in codec("transaction.v1").contract.schema["fields"]]
    assert [codec("transaction.v1").decode(frame) for frame in frames] == part.select(
        names
    ).to_pylist()
