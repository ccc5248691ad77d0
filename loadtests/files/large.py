"""Very large files: what a command takes of memory and of time, format by format.

Each file is made by a process of its own, read by the shipped command, and deleted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from tests.support.workbooks import write_rows

MOST_MB = 400
"""Of resident memory, whatever a file's size; `features` holds its columns, and has no bound."""
MAPPING = """\
transaction:
  transaction_id: id
  customer_id: customer
  account_token: customer
  terminal_id: shop
  occurred_at: at
  amount_minor: {column: amount, scale: 100}
  currency: {value: EUR}
  kind: {column: kind, values: {"buy": PURCHASE, "back": REFUND}}
  channel: {value: ECOM}
  mcc: code
label:
  is_fraud: {column: fraud, values: {"yes": true, "no": false}}
  delay_days: 7
"""
_CHUNK = 250_000
_MOST_SHEET_ROWS = 1_000_000
_START_MS = 1_704_067_200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One command over one file. `memory_mb`: the most that its process had resident."""

    format: str
    command: str
    rows: int
    file_mb: float
    memory_mb: float
    seconds: float
    exit_code: int

    @property
    def is_well(self) -> bool:
        is_bounded = self.command != "features"
        return self.exit_code == 0 and (self.memory_mb < MOST_MB or not is_bounded)

    def written(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.is_well}


def chunks(rows: int, *, as_text: bool) -> Iterator[pa.Table]:
    """The rows of the file, a part at a time; with types where they are no texts."""
    for first in range(0, rows, _CHUNK):
        yield _chunk(first, min(_CHUNK, rows - first), as_text=as_text)


def _chunk(first: int, n: int, *, as_text: bool) -> pa.Table:
    rng = np.random.default_rng(first)
    at = pa.array(_START_MS + np.arange(first, first + n) * 1000).cast(pa.timestamp("ms"))
    minor = rng.integers(100, 100_000, n)
    columns = {
        "id": _named("tx-", np.arange(first, first + n)),
        "customer": _named("c", rng.integers(0, 500_000, n)),
        "shop": _named("m", rng.integers(0, 50_000, n)),
        "at": at,
        "amount": pa.array(minor / 100).cast(pa.decimal128(12, 2)),
        "kind": pa.array(np.where(rng.random(n) < 0.02, "back", "buy")),
        "code": pa.array(rng.integers(1000, 9999, n)),
        "fraud": pa.array(np.where(rng.random(n) < 0.003, "yes", "no")),
        "note": pa.array(np.where(rng.random(n) < 0.5, "a note that nobody maps", "")),
    }
    table = pa.table(columns)
    if as_text:
        schema = pa.schema([(name, pa.string()) for name in columns])
        table = table.set_column(3, "at", at.cast(pa.timestamp("s")).cast(pa.string()))
        table = table.cast(schema)
    return table


def _named(prefix: str, numbers: np.ndarray) -> pa.Array:
    texts = pa.array(numbers).cast(pa.string())
    return pa.compute.binary_join_element_wise(prefix, pa.compute.utf8_lpad(texts, 9, "0"), "")


def _csv(path: Path, rows: int) -> None:
    packing = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    with pa.output_stream(str(path), compression=packing) as out:
        for at, table in enumerate(chunks(rows, as_text=True)):
            pa.csv.write_csv(table, out, pa.csv.WriteOptions(include_header=not at))


def _json(path: Path, rows: int) -> None:
    with path.open("w") as out:
        for table in chunks(rows, as_text=True):
            out.writelines(json.dumps(each) + "\n" for each in table.to_pylist())


def _parquet(path: Path, rows: int) -> None:
    schema = _chunk(0, 1, as_text=False).schema
    with pq.ParquetWriter(path, schema) as out:
        for table in chunks(rows, as_text=False):
            out.write_table(table)


def _parquet_of_one_group(path: Path, rows: int) -> None:
    table = pa.concat_tables(chunks(rows, as_text=False)).combine_chunks()
    pq.write_table(table, path, row_group_size=rows)


def _arrow(path: Path, rows: int) -> None:
    schema = _chunk(0, 1, as_text=False).schema
    with pa.ipc.new_file(str(path), schema) as out:
        for table in chunks(rows, as_text=False):
            out.write_table(table)


def _arrow_of_one_batch(path: Path, rows: int) -> None:
    table = pa.concat_tables(chunks(rows, as_text=False)).combine_chunks()
    with pa.ipc.new_file(str(path), table.schema) as out:
        out.write_table(table)


def _stream(path: Path, rows: int) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    schema = _chunk(0, 1, as_text=False).schema
    with pa.ipc.new_stream(str(path), schema, options=options) as out:
        for table in chunks(rows, as_text=False):
            out.write_table(table)


def _workbook(path: Path, rows: int) -> None:
    def lines() -> Iterator[list[object]]:
        for at, table in enumerate(chunks(rows, as_text=True)):
            if not at:
                yield table.column_names
            amounts = table["amount"].cast(pa.float64()).to_pylist()
            for row, amount in zip(table.to_pylist(), amounts, strict=True):
                yield [*({**row, "amount": amount}).values()]

    write_rows(path, lines())


def _folder(path: Path, rows: int) -> None:
    path.mkdir()
    for at, table in enumerate(chunks(rows, as_text=True)):
        pa.csv.write_csv(table, path / f"part-{at:04}.csv")


WRITERS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "csv": ("in.csv", _csv),
    "csv.gz": ("in.csv.gz", _csv),
    "csv.zst": ("in.csv.zst", _csv),
    "jsonl": ("in.jsonl", _json),
    "parquet": ("in.parquet", _parquet),
    "parquet of one row group": ("one.parquet", _parquet_of_one_group),
    "arrow": ("in.arrow", _arrow),
    "arrow of one batch": ("one.arrow", _arrow_of_one_batch),
    "arrow stream of zstd": ("in.arrows", _stream),
    "xlsx": ("in.xlsx", _workbook),
    "folder of csv": ("parts", _folder),
}


def write(kind: str, path: Path, rows: int) -> None:
    """The file of a format."""
    WRITERS[kind][1](path, rows)


def rows_of(kind: str, rows: int) -> int:
    """So many rows, or as many as a sheet holds."""
    return min(rows, _MOST_SHEET_ROWS) if kind == "xlsx" else rows


def measure(kind: str, path: Path, command: str, rows: int) -> Measured:
    """Run a command over the file, in a process of its own."""
    mapping = path.parent / "large.yaml"
    mapping.write_text(MAPPING)
    out = path.parent / "out"
    given = {
        "check": ["check", str(path), "--mapping", str(mapping)],
        "map": ["map", str(path), "--yes", "--out", str(out)],
        "features": ["features", "--data", str(path), "--mapping", str(mapping)],
    }.get(command)
    if command == "features":
        given = [*(given or []), "--out", str(out)]
    code = "from riskstream.cli.main import main; main()"
    words = [sys.executable, "-c", code, *(given or [])]
    if command == "replay":
        words = [sys.executable, "-m", "loadtests.files", "replay", str(path), str(mapping)]
    started = time.monotonic()
    exit_code, memory_mb = _run(words)
    out.unlink(missing_ok=True)
    files = [path] if path.is_file() else list(path.iterdir())
    return Measured(
        format=kind,
        command=command,
        rows=rows,
        file_mb=round(sum(each.stat().st_size for each in files) / 2**20, 1),
        memory_mb=memory_mb,
        seconds=round(time.monotonic() - started, 1),
        exit_code=exit_code,
    )


def _run(words: list[str]) -> tuple[int, float]:
    """(exit code, MB that the process had resident at most). What it says goes to stderr."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, round(used.ru_maxrss / 1024, 1)


def run(kinds: list[str], commands: list[str], rows: int, folder: Path) -> list[Measured]:
    """Each command over a file of each format; a line each as they are done."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for kind in kinds:
        n = rows_of(kind, rows)
        path = folder / WRITERS[kind][0]
        words = [sys.executable, "-m", "loadtests.files", "write", kind, str(path), str(n)]
        subprocess.run(words, check=True)
        try:
            for command in commands:
                out.append(measure(kind, path, command, n))
                print(json.dumps(asdict(out[-1])), flush=True)
        finally:
            for each in [path] if path.is_file() else list(path.iterdir()):
                each.unlink()
            if path.is_dir():
                path.rmdir()
    return out


def replay(path: Path, mapping: Path) -> None:
    """What `riskstream replay` does with a file, but for the sending: the look at all rows, which
    are kept on disk, and their way back in order of time.
    """
    import tempfile

    from riskstream.cli.data import spare_memory
    from riskstream.runtime.machine import now_ms
    from riskstream.workbench.files.reader import Files
    from riskstream.workbench.mapping.convert import Converter
    from riskstream.workbench.mapping.file import read_mapping
    from riskstream.workbench.mapping.survey import surveyed
    from riskstream.workbench.replay.kept import KeptRows

    spare_memory()
    declared = read_mapping(mapping)
    files = Files(path, declared.layout)
    converter = Converter(declared, "EUR", now_ms())
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        kept = KeptRows(Path(folder) / "rows")
        survey = surveyed(files.batches(converter.columns), converter, kept.add)
        survey.check(path, ())
        assert sum(each.transactions.num_rows for each in kept) == survey.good
