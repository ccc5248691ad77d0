"""Reads files of scores and of labels."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.workbench.rows.columns import BASE_CURRENCY

SCORES = ("transaction_id", "customer_id", "occurred_at", "base_amount_minor", "score")
LABELS = ("transaction_id", "is_fraud")


def read_scores(path: Path) -> pa.Table:
    """The columns of SCORES and, where the file has them, decision and base_currency."""
    return _read(path, SCORES, ("decision", BASE_CURRENCY), "score")


def read_labels(path: Path) -> pa.Table:
    """transaction_id, customer_id where the file has it, and is_fraud: bool, null where unknown."""
    table = _read(path, LABELS, ("customer_id",), "is_fraud")
    at = table.column_names.index("is_fraud")
    return table.set_column(at, "is_fraud", frauds_of(table["is_fraud"], "is_fraud", path))


def frauds_of(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """Labels as bool, null where the file has none. Fatal where one is neither of two values."""
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_null(column.type):
        return column.cast(pa.bool_())
    known, truths = column, pa.array([True, False])
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        known = pc.utf8_lower(column)
        truths = pa.array([True, True, False, False])
        values = pa.array(["true", "1", "false", "0"], column.type)
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        known, values = column.cast(pa.float64(), safe=False), pa.array([1.0, 0.0])
    else:
        raise Fatal(
            what=f"column {name} holds {column.type}, which is no label",
            where=str(path),
            do="give true or false, or 1 or 0",
            exit_code=Exit.INPUT,
        )
    at = pc.index_in(known, values, skip_nulls=True)
    wrong = pc.and_(pc.is_null(at), pc.is_valid(column))
    if pc.any(wrong).as_py():
        row = int(pc.index(wrong, True).as_py())
        raise Fatal(
            what=f"column {name} has {column[row].as_py()!r} in row {row}, which is neither true "
            "nor false",
            where=str(path),
            do="give true or false, or 1 or 0, and leave unknown labels empty",
            exit_code=Exit.INPUT,
        )
    return pa.chunked_array([truths.take(at.combine_chunks())], pa.bool_())


def _read(path: Path, needed: tuple[str, ...], more: tuple[str, ...], value: str) -> pa.Table:
    """These columns; only `value` may have empty values."""
    try:
        found = pq.read_schema(path).names
        missing = [name for name in needed if name not in found]
        if missing:
            raise Fatal(
                what=f"column {missing[0]} is missing",
                where=str(path),
                do=f"give {', '.join(needed)}",
                exit_code=Exit.INPUT,
            )
        table = pq.read_table(path, columns=[*needed, *(name for name in more if name in found)])
    except (OSError, pa.ArrowInvalid) as error:
        raise Fatal(
            what=f"it cannot be read: {cause(error)}",
            where=str(path),
            do="give a Parquet file",
            exit_code=Exit.INPUT,
        ) from error
    ids = table["transaction_id"].cast(pa.string())
    table = table.set_column(table.column_names.index("transaction_id"), "transaction_id", ids)
    for at, name in enumerate(table.column_names):
        if pa.types.is_dictionary(table[name].type):
            plain = table[name].cast(table[name].type.value_type)
            table = table.set_column(at, name, plain)
        if name != value and table[name].null_count:
            raise Fatal(
                what=f"column {name} has empty values",
                where=str(path),
                do="fill or drop those rows",
                exit_code=Exit.INPUT,
            )
    if not len(table):
        raise Fatal(what="it holds no rows", where=str(path), do="give some", exit_code=Exit.INPUT)
    return table
