"""`make bench-features`: the public book's columns by our kernels and by pandas, interleaved on one
core, and compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from loadtests.rows import Row, write_result
from riskstream.domain.risk.features.handbook import HANDBOOK

ROOT = Path(__file__).parents[2]
BOOK = ROOT.parent / "shared/data/handbook"
PEER = ROOT / "loadtests/features/pandas_peer.py"
PANDAS = ROOT / "build/peers/pandas/bin/python"


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.features.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    given = parser.parse_args()
    data = BOOK / "transactions_dev.parquet"
    path = given.out / "features.json"
    if not data.exists():
        write_result(
            path,
            "",
            [],
            [{"name": "every row", "why": ("the handbook's data is not beside this checkout")}],
        )
        return 0
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    book: list[dict[str, Any]] = []
    skipped = (
        []
        if PANDAS.exists()
        else [{"name": "pandas", "why": ("its environment is not there: make peers")}]
    )
    with tempfile.TemporaryDirectory() as folder:
        by_pandas, by_us = Path(folder) / "pandas.parquet", Path(folder) / "ours.parquet"
        for _ in range(given.rounds):
            ours.append(_pinned(sys.executable, "-m", "loadtests.features.ours", str(data)))
            if PANDAS.exists():
                theirs.append(_pinned(str(PANDAS), str(PEER), "groups", str(data), str(by_pandas)))
                book.append(
                    _pinned(
                        str(PANDAS),
                        str(PEER),
                        "book",
                        str(data),
                        str(Path(folder) / "book.parquet"),
                    )
                )
        riskstream = str(Path(sys.executable).with_name("riskstream"))
        command = [
            riskstream,
            "features",
            "--set",
            "handbook",
            "--data",
            str(data),
            "--out",
            str(by_us),
        ]
        subprocess.run(command, check=True, cwd=ROOT)
        rows = _rows(
            ours, theirs, book, _differing(by_us, BOOK / "book_features_dev.parquet", "tie")
        )
        if theirs:
            for name, made in (
                ("pandas", by_pandas),
                ("pandas in the book's own way", Path(folder) / "book.parquet"),
            ):
                differing = _differing(made, BOOK / "book_features_dev.parquet", "tie")
                rows.append(
                    Row.most(
                        f"sampled rows that differ between {name} and the book",
                        [differing],
                        "rows",
                        0,
                    )
                )
    load = (
        f"{ours[0]['rows']:,} rows of the handbook's development file, 14 columns; "
        f"{given.rounds} rounds on one core"
    )
    write_result(path, load, rows, skipped)
    return 0


def _rows(
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]],
    book: list[dict[str, Any]],
    differing: int,
) -> list[Row]:
    seconds = [each["seconds"] for each in ours]
    rows = [
        Row.most("sampled rows that differ from the book", [differing], "rows", 0),
        Row.least(
            "rows a second on one core, file read and parsed",
            [each["rows"] / each["seconds"] for each in ours],
            "rows/s",
            500_000,
        ),
        Row.most("peak memory", [each["peak_mib"] for each in ours], "MiB", 1024),
    ]
    if theirs:
        pandas = [each["seconds"] for each in theirs]
        rows.append(
            Row.compared(
                "CPU, pandas groupby-rolling over ours", seconds, pandas, "s", 20, higher=True
            )
        )
        slow = [each["seconds"] for each in book]
        rows.append(
            Row.compared(
                "CPU, pandas in the book's own way (a function a key) over ours",
                seconds,
                slow,
                "s",
                20,
                higher=True,
            )
        )
    return rows


def _pinned(*command: str) -> dict[str, Any]:
    done = subprocess.run(
        ["taskset", "-c", "1", *command], check=True, capture_output=True, text=True, cwd=ROOT
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _differing(made: Path, book: Path, left_out: str) -> int:
    """Sampled rows of which a count differs, or a mean or share by more than 1e-9."""
    ours, sample = pq.read_table(made), pq.read_table(book)
    counted = np.array([kind != left_out for kind in sample["PICKED_AS"].to_pylist()])
    places = np.searchsorted(ours["TRANSACTION_ID"].to_numpy(), sample["TRANSACTION_ID"].to_numpy())
    wrong = np.zeros(len(places), np.bool_)
    for name in HANDBOOK.names[1:]:
        bound = 1e-9 if "AVG" in name or "RISK" in name else 0
        wrong |= ~(np.abs(ours[name].to_numpy()[places] - sample[name].to_numpy()) <= bound)
    return int((wrong & counted).sum())


if __name__ == "__main__":
    sys.exit(main())
