"""`riskstream simulate`."""

import time
from datetime import datetime
from pathlib import Path

import click

from riskstream.cli.options import base_currency_option
from riskstream.cli.outputs import parquet_of, write_parquet
from riskstream.cli.progress import bar
from riskstream.runtime.files import check_file
from riskstream.workbench.simulator.simulate import Simulation, simulate


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="the same seed gives the same file",
)
@click.option(
    "--customers",
    type=click.IntRange(10, 5_000_000),
    default=5000,
    show_default=True,
    help="number of customers",
)
@click.option(
    "--days", type=click.IntRange(1, 1000), default=60, show_default=True, help="number of days"
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2024-01-01",
    show_default=True,
    help="first day, UTC",
)
@base_currency_option
def command(
    out: Path, seed: int, customers: int, days: int, start: datetime, base_currency: str
) -> None:
    """Write simulated transactions with labels, as a Parquet file.

    Customers have habits, six kinds of attack are marked as fraud, and labels become known later.
    """
    check_file(out, is_own=parquet_of("simulate"))
    started = time.monotonic()
    start_ms = int((start - datetime(1970, 1, 1)).total_seconds() * 1000)
    wanted = Simulation(
        seed=seed, customers=customers, days=days, start_ms=start_ms, currency=base_currency
    )
    with bar("simulation", None):
        table = simulate(wanted)
    made_s = time.monotonic() - started
    with bar("write", None):
        write_parquet(out, table, "simulate", private=False)
    frauds = int(table["is_fraud"].to_numpy().sum())
    click.echo(
        f"{table.num_rows:,} transactions, {frauds:,} frauds "
        f"({frauds / max(table.num_rows, 1):.2%}), "
        f"{table.num_rows / made_s:,.0f}/s, in {out}"
    )
