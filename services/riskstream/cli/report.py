"""`riskstream report run|list|show`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from riskstream.cli.options import base_currency_option, kafka_option
from riskstream.cli.progress import bar
from riskstream.platform.kafka.currency import check_currency
from riskstream.platform.telemetry.exporter import Tracing
from riskstream.platform.telemetry.metrics import ReporterMetrics
from riskstream.reporter.app import Coverage, Reporter, ReportFolder
from riskstream.reporter.core import WIDTH_MS
from riskstream.reporter.write import has_reports, read_report
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_folder
from riskstream.runtime.words import count_of

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("build/reports"),
    show_default=True,
    help="folder of the reports",
)


@click.group()
def command() -> None:
    """Write, list and show risk reports."""


@command.command()
@kafka_option
@out_option
@click.option(
    "--grain",
    type=click.Choice(["hourly", "daily", "both"]),
    default="both",
    show_default=True,
    help="kind of report to write",
)
@click.option("--so-far", is_flag=True, help="also report hours and days that are not finished")
@click.option(
    "--grace-s",
    type=click.IntRange(0),
    default=900,
    show_default=True,
    help="how long a report waits for late events, in event time, s",
)
@base_currency_option
def run(kafka: str, out: Path, grain: str, so_far: bool, grace_s: int, base_currency: str) -> Exit:
    """Write reports now. The exit code is 1 if the totals of one do not match its control
    totals.
    """
    check_folder(out, is_own=has_reports, is_replaced=False)
    check_currency(kafka, base_currency)
    grains = tuple(WIDTH_MS) if grain == "both" else (grain.upper(),)
    tracing = Tracing("reporter")
    coverage = Coverage(grace_s=grace_s, so_far=so_far, base_currency=base_currency)
    reporter = Reporter(
        kafka, ReportFolder(out), coverage, ReporterMetrics(), tracer=tracing.tracer
    )
    try:
        with bar("reports", None):
            records = reporter.run_once(grains)
    finally:
        tracing.stop()
    for record in records:
        state = "reconciled" if record["is_reconciled"] else "NOT RECONCILED"
        click.echo(
            f"{record['report_id']}: {count_of(record['transactions'], 'transaction')}, "
            f"{count_of(record['alerts'], 'alert')}, {state}"
        )
        click.echo(f"  {out / record['html_path']}")
    if not records:
        click.echo("no hour or day is complete yet; --so-far reports those that are not")
    is_whole = all(record["is_reconciled"] for record in records)
    return Exit.DONE if is_whole else Exit.NO


@command.command("list")
@out_option
def list_reports(out: Path) -> None:
    """List the reports of a folder, oldest first. Other files are ignored."""
    found = [report for path in out.glob("*.json") if (report := read_report(path)) is not None]
    if not found:
        click.echo(f"no reports in {out}: `riskstream report run` writes some", err=True)
    for report in sorted(found, key=lambda each: (each["as_of"], each["report_id"])):
        made = datetime.fromtimestamp(report["as_of"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        state = "reconciled" if report["is_reconciled"] else "NOT RECONCILED"
        click.echo(
            f"{report['report_id']:28} {made}  {report['totals']['transactions']:>12,} "
            f"transactions  {state}"
        )


@command.command()
@click.argument("report_id")
@out_option
def show(report_id: str, out: Path) -> None:
    """Print one report as JSON."""
    path = out / f"{report_id}.json"
    if not path.is_file():
        raise Fatal(
            what=f"no report {report_id}",
            where=str(out),
            do="see `riskstream report list`",
            exit_code=Exit.INPUT,
        )
    click.echo(path.read_text())
