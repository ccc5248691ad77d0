"""`riskstream labels` refuses a file whose rows break the contract's bounds, names the row, and
sends nothing.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.support.builders import NOW_MS

from riskstream.cli.labels import read_labels
from riskstream.cli.main import root
from riskstream.domain.contracts.codec import codec
from riskstream.runtime.errors import Fatal


def _file(folder: Path, **changes: Any) -> Path:
    good = {
        "label_id": "l-1",
        "transaction_id": "t-1",
        "customer_id": "c-1",
        "outcome": "FRAUD",
        "source": "CHARGEBACK",
        "occurred_at": NOW_MS,
        "known_at": NOW_MS + 5,
        "terminal_id": "t",
    }
    path = folder / "labels.parquet"
    pq.write_table(
        pa.Table.from_pylist([good, {**good, "label_id": "l-0", "known_at": NOW_MS, **changes}]),
        path,
    )
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer_id": "ü" * 129}, "row 1: customer_id is 258 bytes, not 1 to 256 bytes"),
        ({"transaction_id": ""}, "line 2: transaction_id: blank"),
        ({"terminal_id": "x" * 300}, "row 1: terminal_id is 300 bytes"),
        (
            {"occurred_at": 1_717_236_000, "known_at": 1_717_236_001},
            "line 2: occurred_at: before 2000: it looks like s",
        ),
    ],
)
def test_a_row_over_a_bound_is_named_and_nothing_is_sent(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    done = CliRunner().invoke(
        root, ["labels", str(_file(tmp_path, **changes)), "--kafka", "127.0.0.1:1"]
    )
    assert isinstance(done.exception, Fatal)
    assert said in str(done.exception)


def test_good_labels_are_sorted_by_the_time_they_became_known(tmp_path: Path) -> None:
    table, frames = read_labels(_file(tmp_path))
    assert table["label_id"].to_pylist() == ["l-0", "l-1"]
    assert [codec("label.v1").decode(each)["label_id"] for each in frames] == ["l-0", "l-1"]
