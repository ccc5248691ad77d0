"""`riskstream features`."""

import time
from pathlib import Path

import click

from riskstream.cli.data import echo_rows_left_out, inputs_of, reading_of
from riskstream.cli.made_vectors import MadeVectors
from riskstream.cli.options import InputData, base_currency_option, data_options, features_option
from riskstream.cli.outputs import parquet_of
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.runtime.files import check_file
from riskstream.workbench.rows.transactions import read_transactions


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
    made = MadeVectors(features, read)
    with (
        made.written(out) as write,
        bar("features", len(made.values)) as advance,
    ):

        def took(size: int) -> None:
            advance(size)
            if not features.profiles:
                made.add(size, write)

        read.vectors(features, took, is_at_event=at == "event", out=made.values)
        made.end(write)
    spent = time.monotonic() - started
    click.echo(
        f"{len(made.values):,} rows, {len(features.names)} columns of {features.label} "
        f"in {spent:.1f} s: {out}"
    )
    echo_rows_left_out(read.left_out)
