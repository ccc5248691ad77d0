"""Writes a report's three files, each whole or not at all, and its record for risk-reports.v1."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.reporter.core import Snapshot, rows
from riskstream.reporter.page import page
from riskstream.runtime.files import whole


def write_report(out: Path, report: dict[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """Files `<report_id>.html|json|parquet` under `out`; the record of risk-report.v1."""
    name = report["report_id"]
    text = json.dumps(report, indent=1, sort_keys=True).encode()
    table = pa.Table.from_pylist(rows(report["grain"], snapshot, [window["start_at"] for window in report["windows"]]))
    parquet = io.BytesIO()
    pq.write_table(table, parquet, compression="zstd")
    files = {f"{name}.parquet": parquet.getvalue(), f"{name}.html": page(report).encode(), f"{name}.json": text}
    for file, content in files.items():
        with whole(out / file) as partial:
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
        "sha256": hashlib.sha256(text).hexdigest(),
    }
