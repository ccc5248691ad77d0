"""Writes a report's three files, each whole or not at all, and its record for risk-reports.v1."""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.reporter.core import HISTORIES, TILE, Snapshot
from riskstream.reporter.page import page
from riskstream.runtime.files import whole

_ROWS = pa.schema([("customer_id", pa.string()), *((name, pa.int64()) for name in TILE)])
_AT_ONCE = 131_072
"""Rows of a row group of the Parquet file, 11 MB."""
_NAME = re.compile(r"(hourly|daily)-\d{8}T\d{6}Z")
ENDINGS = ("html", "json", "parquet")
_SHAPE = {
    "report_id": str,
    "grain": str,
    "as_of": int,
    "totals": dict,
    "position": dict,
    "windows": list,
}


def has_reports(folder: Path) -> bool:
    """True where reports are kept in a folder, or it holds nothing but what a file system puts
    there.
    """
    names = {each.name for each in folder.iterdir()} - {"lost+found"}
    return not names or any(name.startswith(("hourly-", "daily-")) for name in names)


def read_report(path: Path) -> dict[str, Any] | None:
    """A report's JSON; None where the file is no report, by its name or by what is in it."""
    try:
        found = json.loads(path.read_text()) if _NAME.fullmatch(path.stem) else None
    except (OSError, ValueError, RecursionError):
        return None
    is_report = isinstance(found, dict) and all(
        isinstance(found.get(name), kind) for name, kind in _SHAPE.items()
    )
    return found if is_report else None


def prune(out: Path, grain: str, keep: int) -> None:
    """Delete all but the newest `keep` reports of a grain; with 0 none. What is no report's file
    stays.
    """
    names = sorted(
        path.stem for path in out.glob(f"{grain.lower()}-*.json") if _NAME.fullmatch(path.stem)
    )
    for name in names[:-keep] if keep else ():
        for ending in ENDINGS:
            (out / f"{name}.{ending}").unlink(missing_ok=True)


def tables(grain: str, snapshot: Snapshot, least: int, most: int) -> Iterator[pa.Table]:
    """A row of each customer and window that begins from `least` to `most`, by customer and by
    window: what goes into the Parquet file.
    """
    for part in snapshot.tiles.parts(HISTORIES[grain], least, most, _AT_ONCE):
        names = snapshot.tiles.names_of(part.owners)
        ends = pa.py_buffer(np.concatenate([[0], names.ends]).astype(np.int32))
        text = pa.StringArray.from_buffers(len(part.owners), ends, pa.py_buffer(names.data))
        yield pa.Table.from_arrays([text, *part.tiles.T], schema=_ROWS)


def write_report(out: Path, report: dict[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """Files `<report_id>.html|json|parquet` under `out`, for its owner alone: they name customers.
    The record of risk-report.v1.
    """
    name = report["report_id"]
    text = json.dumps(report, indent=1, sort_keys=True).encode()
    starts = [window["start_at"] for window in report["windows"]]
    parquet = io.BytesIO()
    with pq.ParquetWriter(parquet, _ROWS, compression="zstd") as writer:
        for table in tables(report["grain"], snapshot, min(starts), max(starts)):
            writer.write_table(table)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {
        f"{name}.parquet": parquet.getvalue(),
        f"{name}.html": page(report).encode(),
        f"{name}.json": text,
    }
    for file, content in files.items():
        with whole(out / file, private=True) as partial:
            partial.write_bytes(content)
    totals = report["totals"]
    return {
        "report_id": name,
        "grain": report["grain"],
        "window_start_at": report["window_start_at"],
        "window_end_at": report["window_end_at"],
        "is_complete": report["is_complete"],
        "customers": report["customers"],
        "transactions": totals["transactions"],
        "amount_minor": totals["amount_minor"],
        "alerts": totals["alerts"],
        "blocked": totals["blocked"],
        "base_currency": report["base_currency"],
        "is_reconciled": report["is_reconciled"],
        "made_at": report["as_of"],
        "html_path": f"{name}.html",
        "json_path": f"{name}.json",
        "parquet_path": f"{name}.parquet",
        "refunds": totals["refunds"],
        "refund_amount_minor": totals["refund_amount_minor"],
        "corrected": totals["corrected"],
        "corrected_amount_minor": totals["corrected_amount_minor"],
        "sha256": hashlib.sha256(text).hexdigest(),
    }
