"""What a replay keeps of a file comes back as it was converted."""

import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted
from riskstream.workbench.mapping.labelled import Labelled
from riskstream.workbench.replay.kept import KeptRows


def _batch(n: int, fit: int, *, is_labelled: bool) -> tuple[FileRows, Converted]:
    table = pa.table(
        {
            "transaction_id": pa.array([f"t{at}" for at in range(fit)], pa.string()),
            "mcc": pa.array([None] * fit, pa.int64()),
        }
    )
    said = Labelled(
        has_label=np.arange(fit) % 2 == 0,
        is_fraud=np.arange(fit) % 3 == 0,
        known_at=np.arange(fit, dtype=np.int64) * 7,
    )
    rows = FileRows(
        path=Path("in"),
        batch=pa.record_batch({"a": range(n)}),
        places=np.arange(n, dtype=np.int64),
        first=0,
    )
    found = Converted(
        transactions=table,
        labelled=said if is_labelled else None,
        places=np.arange(fit, dtype=np.int64),
        left_out=[],
    )
    return rows, found


@pytest.mark.parametrize("is_labelled", [True, False])
def test_batches_come_back_in_order_as_often_as_asked(tmp_path: Path, is_labelled: bool) -> None:
    kept = KeptRows(tmp_path / "rows")
    given = [_batch(n, fit, is_labelled=is_labelled) for n, fit in ((9, 7), (5, 0), (3, 3))]
    for rows, found in given:
        kept.add(rows, found)
    for _ in range(2):
        back = list(kept)
        assert [each.rows for each in back] == [9, 5, 3]
        for each, (_, found) in zip(back, given, strict=True):
            assert each.transactions.equals(found.transactions)
            assert (each.labelled is None) is not is_labelled
            if each.labelled is not None and found.labelled is not None:
                for name in ("has_label", "is_fraud", "known_at"):
                    ours = getattr(each.labelled, name)
                    np.testing.assert_array_equal(ours, getattr(found.labelled, name))


def test_nothing_kept_is_nothing(tmp_path: Path) -> None:
    assert list(KeptRows(tmp_path / "rows")) == []


def test_a_disk_that_is_full_is_told_in_one_sentence(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    batch = _batch(9, 7, is_labelled=True)
    kept = KeptRows(tmp_path / "rows")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(Fatal, match="cannot be kept") as refused:
            kept.add(*batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.exit_code == Exit.NO_DISK
    assert "TMPDIR" in refused.value.do
