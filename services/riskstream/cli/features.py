"""`riskstream features`."""

import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa

from riskstream.cli.data import echo_rows_left_out, reading_of
from riskstream.cli.options import InputData, base_currency_option, data_options, features_option
from riskstream.cli.outputs import parquet_of, write_parquet
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import Aggregate, FeatureSet, Input
from riskstream.runtime.files import check_file
from riskstream.workbench.rows.transactions import read_transactions

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
    check_file(out, is_own=parquet_of("features"), inputs=[data])
    started = time.monotonic()
    read = read_transactions(data, reading_of(mapping, accepted, base_currency))
    n = len(read.columns.occurred_at)
    with bar("features", n) as advance:
        values = read.vectors(features, advance, is_at_event=at == "event", dtype=np.float64)
    columns: dict[str, object] = {read.id_name: read.ids}
    for index, name in enumerate(features.names):
        column = values[:, index]
        if read.units != 1 and _is_money(features, index):
            column = column / read.units
        columns[name] = pa.array(column)
    write_parquet(out, pa.table(columns), "features", private=True)
    spent = time.monotonic() - started
    click.echo(
        f"{n:,} rows, {len(features.names)} columns of {features.label} in {spent:.1f} s: {out}"
    )
    echo_rows_left_out(read.left_out)


def _is_money(features: FeatureSet, index: int) -> bool:
    inputs = features.inputs
    if index < len(inputs):
        return inputs[index].input is Input.AMOUNT
    return features.features[index - len(inputs)].aggregate in _MONEY
