"""`riskstream features`."""

import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.cli.data import echo_rows_left_out, inputs_of, reading_of
from riskstream.cli.options import InputData, base_currency_option, data_options, features_option
from riskstream.cli.outputs import parquet_of, write_parts
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import Aggregate, FeatureSet, Input
from riskstream.runtime.files import check_file
from riskstream.workbench.rows.transactions import Transactions, read_transactions

_GROUP_ROWS = 1 << 20
_MONEY = {Aggregate.SUM, Aggregate.MEAN}


@click.command()
@features_option("--set")
@click.option("--data", type=InputData(), required=True, help="file of transactions")
@data_options
@base_currency_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write")
@click.option(
    "--at",
    type=click.Choice(["event", "tile"]),
    default="event",
    show_default=True,
    help="event: profiles are exact up to each transaction. tile: they hold finished hours "
    "only, as in the live scorer",
)
def command(
    features: FeatureSet,
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    out: Path,
    at: str,
) -> None:
    """Compute a feature set for every transaction of a file, with the scorer's own code.

    The file has the columns of the transaction contract, those that --mapping names, or those of
    the public fraud detection handbook. Amounts stay in the file's unit. A fraud is known at
    `label_known_at`; without that column, 7 days after the transaction.
    """
    check_file(out, is_own=parquet_of("features"), inputs=inputs_of(data, mapping))
    started = time.monotonic()
    read = read_transactions(data, reading_of(mapping, accepted, base_currency))
    n = len(read.columns.occurred_at)
    with bar("features", n) as advance:
        values = read.vectors(features, advance, is_at_event=at == "event", dtype=np.float64)
    write_parts(out, _parts(features, read, values), "features", private=True)
    spent = time.monotonic() - started
    click.echo(
        f"{n:,} rows, {len(features.names)} columns of {features.label} in {spent:.1f} s: {out}"
    )
    echo_rows_left_out(read.left_out)


def _parts(
    features: FeatureSet, read: Transactions, values: NDArray[np.float64]
) -> Iterator[pa.Table]:
    """The rows, so many at once that no second copy of all vectors is made."""
    for start in range(0, max(len(values), 1), _GROUP_ROWS):
        rows = slice(start, start + _GROUP_ROWS)
        columns: dict[str, object] = {read.id_name: read.ids[rows]}
        for index, name in enumerate(features.names):
            column = values[rows, index]
            if read.units != 1 and _is_money(features, index):
                column = column / read.units
            columns[name] = pa.array(column)
        yield pa.table(columns)


def _is_money(features: FeatureSet, index: int) -> bool:
    inputs = features.inputs
    if index < len(inputs):
        return inputs[index].input is Input.AMOUNT
    return features.features[index - len(inputs)].aggregate in _MONEY
