"""The rows of a file as they were converted, on disk: a replay reads and checks a file once, and
sends what it has checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted
from riskstream.workbench.mapping.labelled import Labelled

_HAS_LABEL, _IS_FRAUD, _KNOWN_AT = "has_label", "label_is_fraud", "label_known_at"
"""Columns beside those of the transactions; no field of the contract is called so."""
_ROWS = b"rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What of a batch of `rows` of a file fits."""

    transactions: pa.Table
    labelled: Labelled | None
    rows: int


@contextmanager
def kept_at(path: Path) -> Iterator[None]:
    """Fatal where the disk does not take what is written to `path`."""
    try:
        yield
    except OSError as error:
        raise Fatal(
            what=f"rows that wait to be sent cannot be kept: {cause(error)}",
            where=str(path),
            do="free some disk, or name a folder with room in TMPDIR",
            exit_code=Exit.NO_DISK,
        ) from error


class KeptRows:
    """Takes the batches of a file in order, and gives them back as often as asked. One file of
    Arrow at `path`, which is the caller's to delete.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, rows: FileRows, found: Converted) -> None:
        """Keep a batch."""
        table = found.transactions
        if found.labelled is not None:
            table = table.append_column(_HAS_LABEL, pa.array(found.labelled.has_label))
            table = table.append_column(_IS_FRAUD, pa.array(found.labelled.is_fraud))
            table = table.append_column(_KNOWN_AT, pa.array(found.labelled.known_at))
        with kept_at(self._path):
            if self._writer is None:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writer = pa.ipc.new_stream(str(self._path), table.schema, options=options)
            for batch in table.combine_chunks().to_batches() or [_empty(table.schema)]:
                note = {_ROWS: str(rows.batch.num_rows).encode()}
                self._writer.write_batch(batch, custom_metadata=pa.KeyValueMetadata(note))

    def __iter__(self) -> Iterator[Kept]:
        if self._writer is None:
            return
        with kept_at(self._path):
            self._writer.close()
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_stream(file) as reader:
            while True:
                try:
                    found = reader.read_next_batch_with_custom_metadata()
                except StopIteration:
                    return
                yield _kept(pa.table(found.batch), int(found.custom_metadata[_ROWS]))


def _kept(table: pa.Table, rows: int) -> Kept:
    if _HAS_LABEL not in table.column_names:
        return Kept(transactions=table, labelled=None, rows=rows)
    has_label, is_fraud, known_at = (
        np.asarray(table[name].to_numpy()) for name in (_HAS_LABEL, _IS_FRAUD, _KNOWN_AT)
    )
    return Kept(
        transactions=table.drop_columns([_HAS_LABEL, _IS_FRAUD, _KNOWN_AT]),
        labelled=Labelled(has_label=has_label, is_fraud=is_fraud, known_at=known_at),
        rows=rows,
    )


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema)
