"""`riskstream demo`."""

import json
from pathlib import Path

import click

from riskstream.runtime.exits import Exit
from riskstream.workbench.demo.run import run_demo


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="folder for models, logs and reports",
)
@click.option("--serve", is_flag=True, help="keep everything running and print the addresses")
@click.option(
    "--each",
    type=click.IntRange(100, 20_000),
    default=20_000,
    show_default=True,
    help="number of transactions sent by HTTP, and again by Kafka",
)
def command(out: Path, serve: bool, each: int) -> Exit:
    """Run the whole system on this machine and print figures.

    It sends 20,000 transactions by HTTP and 20,000 by Kafka, then writes a summary and a report.
    """
    summary = run_demo(out, serve=serve, each=each)
    click.echo(json.dumps(summary, indent=2))
    click.echo(f"summary {out / 'summary.json'}\nreport  {summary['report_html']}")
    is_exact = summary["lost"] == 0 and summary["duplicates"] == 0
    return Exit.DONE if is_exact else Exit.NO
