"""`riskstream evaluate`."""

import json
from pathlib import Path

import click

from riskstream.cli.data import echo_rows_left_out, inputs_of, label_reading_of
from riskstream.cli.figures import echo_figures, echo_left_out, resamples_option
from riskstream.cli.options import InputData, data_options
from riskstream.cli.outputs import is_page, json_with
from riskstream.cli.progress import bar
from riskstream.runtime.files import check_file, whole
from riskstream.workbench.checks.evaluate import curves, evaluate
from riskstream.workbench.checks.page import page
from riskstream.workbench.checks.scored import read_scored
from riskstream.workbench.checks.trained import trained_notes, trained_of
from riskstream.workbench.mapping.survey import LeftOut


@click.command()
@click.option(
    "--scores",
    type=InputData(),
    required=True,
    help="file with the columns transaction_id, customer_id, occurred_at, base_amount_minor, score "
    "and, optionally, decision",
)
@click.option(
    "--labels",
    type=InputData(),
    required=True,
    help="file with the columns transaction_id, is_fraud and customer_id, which may be missing if "
    "no two customers share an id; or with those that --mapping names",
)
@data_options
@click.option(
    "--budget",
    type=click.FloatRange(0.0001, 0.5),
    default=0.01,
    show_default=True,
    help="without decisions: share of rows, by score, that count as alerts",
)
@resamples_option
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
    scores: Path,
    labels: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    budget: float,
    resamples: int,
    json_out: Path | None,
    page_out: Path | None,
) -> None:
    """Compare scores with labels: ranking, calibration, and for each day what the alerts found and
    cost.

    The files are Parquet, CSV, JSON lines, Arrow or Excel. --mapping says how the labels are
    written: your own transactions, or your own labels. Beside each figure stands its 95 % interval,
    from resamples of the customers. Rows without a label or a score, rows that do not fit and
    repeated rows are left out and counted. The exit code is 1 if no row is left.
    """
    inputs = [*inputs_of(scores, None), *inputs_of(labels, mapping)]
    if json_out:
        check_file(
            json_out,
            "--json",
            is_own=json_with("rows", "frauds", "days"),
            inputs=[*inputs, page_out],
        )
    if page_out:
        check_file(page_out, "--page", is_own=is_page, inputs=inputs)
    left_out = LeftOut()
    with bar("read", None):
        data = read_scored(scores, labels, budget, label_reading_of(mapping, accepted), left_out)
    with bar("resamples", resamples) as advance:
        figures = evaluate(data, resamples, advance)
    figures["notes"] += trained_notes(trained_of(scores), data.occurred_at)
    if json_out:
        with whole(json_out, "--json", private=True) as partial:
            partial.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    if page_out:
        with whole(page_out, "--page", private=True) as partial:
            partial.write_text(page(f"Evaluation of {scores.name}", figures, curves(data)))
    echo_figures(figures)
    if page_out:
        click.echo(f"page in {page_out}")
    echo_rows_left_out(left_out)
    echo_left_out(figures)
