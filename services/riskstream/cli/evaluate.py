"""`riskstream evaluate`."""

import json
from pathlib import Path
from typing import Any

import click

from riskstream.cli.options import InputFile
from riskstream.cli.outputs import is_page, json_with
from riskstream.runtime.files import check_file, whole
from riskstream.workbench.checks.evaluate import curves, evaluate, read_scored
from riskstream.workbench.checks.page import page


@click.command()
@click.option(
    "--scores",
    type=InputFile(),
    required=True,
    help="Parquet file: transaction_id, customer_id, occurred_at, base_amount_minor, score and, "
    "optionally, decision",
)
@click.option(
    "--labels",
    type=InputFile(),
    required=True,
    help="Parquet file: transaction_id, is_fraud and customer_id, which may be missing if no "
    "two customers share an id",
)
@click.option(
    "--budget",
    type=click.FloatRange(0.0001, 0.5),
    default=0.01,
    show_default=True,
    help="without decisions: share of rows, by score, that count as alerts",
)
@click.option(
    "--json",
    "json_out",
    type=click.Path(path_type=Path),
    help="file to write the figures to, as JSON",
)
@click.option(
    "--page",
    "page_out",
    type=click.Path(path_type=Path),
    help="file to write a page with charts to, as HTML",
)
def command(
    scores: Path, labels: Path, budget: float, json_out: Path | None, page_out: Path | None
) -> None:
    """Compare scores with labels: ranking, calibration, and for each day what the alerts found and
    cost.
    """
    if json_out:
        check_file(
            json_out,
            "--json",
            is_own=json_with("rows", "frauds", "days"),
            inputs=[scores, labels, page_out],
        )
    if page_out:
        check_file(page_out, "--page", is_own=is_page, inputs=[scores, labels])
    data = read_scored(scores, labels, budget)
    figures = evaluate(data)
    echo_figures(figures)
    if json_out:
        with whole(json_out, "--json", private=True) as partial:
            partial.write_text(json.dumps(figures, indent=1) + "\n")
    if page_out:
        with whole(page_out, "--page", private=True) as partial:
            partial.write_text(page(f"Evaluation of {scores.name}", figures, curves(data)))
        click.echo(f"page in {page_out}")


def echo_figures(figures: dict[str, Any]) -> None:
    """One line a figure, and one a day."""
    for name, value in figures.items():
        if isinstance(value, float):
            click.echo(f"  {name:22} {value:.4f}")
        elif isinstance(value, int):
            click.echo(f"  {name:22} {value:,}")
    click.echo(f"  {'day':12}{'rows':>9}{'frauds':>8}{'alerts':>8}{'precision':>11}{'recall':>8}")
    for day in figures["days"]:
        shares = "".join(
            f"{'-' if day[name] is None else f'{day[name]:.3f}':>{wide}}"
            for name, wide in (("precision", 11), ("recall", 8))
        )
        click.echo(
            f"  {day['day']:12}{day['rows']:>9,}{day['frauds']:>8,}{day['alerts']:>8,}{shares}"
        )
