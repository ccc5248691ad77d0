"""Rows that are encoded ahead are those that one call a span would give."""

import pyarrow as pa
import pytest

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.workbench.replay.span import AheadEncoder, Rows
from riskstream.workbench.simulator.simulate import Simulation, simulate

AHEAD = 8


def _table(seed: int, n: int) -> pa.Table:
    table = simulate(Simulation(seed=seed, customers=10, days=30)).slice(0, n)
    return table.drop_columns(["is_fraud", "attack", "label_known_at"])


SPANS = {
    "short ones in order": [(0, 3), (3, 6), (6, 7), (7, 9), (9, 30), (30, 31), (31, 40)],
    "with rows left out": [(5, 6), (11, 14), (14, 16), (33, 40)],
    "one again": [(9, 12), (2, 4), (9, 12)],
    "longer than what is encoded ahead": [(0, 25), (25, 40)],
    "empty": [(0, 0), (4, 4), (40, 40)],
}


@pytest.mark.parametrize("spans", SPANS.values(), ids=SPANS)
def test_a_span_has_its_own_keys_and_frames(spans: list[tuple[int, int]]) -> None:
    table = _table(1, 40)
    frames = ArrowEncoder("transaction.v1", 40).encode(table)
    keys = [key.encode() for key in table["customer_id"].to_pylist()]
    rows, encoder = Rows.of(table), AheadEncoder("transaction.v1", AHEAD)
    for start, stop in spans:
        found = encoder.records(rows.part(start, stop))
        assert found == (keys[start:stop], frames[start:stop])


def test_the_same_span_of_another_table_is_encoded_anew() -> None:
    encoder = AheadEncoder("transaction.v1", AHEAD)
    for seed in (1, 2, 1):
        table = _table(seed, 20)
        frames = ArrowEncoder("transaction.v1", 20).encode(table)
        for start in (0, 4):
            _, found = encoder.records(Rows.of(table).part(start, start + 4))
            assert found == frames[start : start + 4]


def test_a_part_is_counted_from_the_first_row_and_ends_with_the_last() -> None:
    rows = Rows.of(pa.table({"at": pa.chunked_array([[0, 1, 2], [3, 4, 5, 6]])})).part(2, 6)
    assert rows.num_rows == 4
    assert rows.part(1, 3).column("at").tolist() == [3, 4]
    assert rows.part(3, 99).as_table()["at"].to_pylist() == [5]
