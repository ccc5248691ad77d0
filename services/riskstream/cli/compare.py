"""`riskstream compare`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.cli.data import echo_rows_left_out, inputs_of, label_reading_of, reading_of
from riskstream.cli.figures import between, echo_left_out, number, resamples_option
from riskstream.cli.options import InputData, InputFile, base_currency_option, data_options
from riskstream.cli.outputs import begins_with_title, json_with
from riskstream.cli.progress import bar
from riskstream.cli.score import scored_by
from riskstream.domain.risk.money import shown
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.compare import compare
from riskstream.workbench.checks.compare_page import page
from riskstream.workbench.checks.evaluate import curves
from riskstream.workbench.checks.model_scores import OfflineModel
from riskstream.workbench.checks.score_files import read_labels, read_scores
from riskstream.workbench.checks.scored import Scored, joined
from riskstream.workbench.checks.trained import trained_notes, trained_of
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.transactions import (
    LABEL,
    Reading,
    read_transactions,
    without_label,
)

_TITLE = "Comparison of "


@click.command()
@click.argument("a", type=InputFile(may_be_folder=True))
@click.argument("b", type=InputFile(may_be_folder=True))
@click.option(
    "--data",
    type=InputData(),
    required=True,
    help="file with is_fraud; for a model folder the transactions to score; for two files of "
    "scores, labels are enough",
)
@data_options
@base_currency_option
@click.option(
    "--budget",
    type=click.FloatRange(0.0001, 0.5),
    default=0.01,
    show_default=True,
    help="for a file without decisions: share of rows, by score, that count as alerts",
)
@resamples_option
@click.option(
    "--json",
    "json_out",
    type=click.Path(path_type=Path),
    help="file to write the comparison to, as JSON",
)
@click.option(
    "--page",
    "page_out",
    type=click.Path(path_type=Path),
    help="file to write a page with charts to, as HTML",
)
def command(
    a: Path,
    b: Path,
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    budget: float,
    resamples: int,
    json_out: Path | None,
    page_out: Path | None,
) -> None:
    """Compare two models on the same rows: each figure and its difference, the decisions that
    change, and their money.

    A and B are model folders that `riskstream train` wrote, or files of scores in any format, such
    as those of `riskstream score`. A difference is B less A. It is better or worse only if its 95 %
    interval, from resamples of the customers, does not hold 0. Rows that only one of them scored,
    and rows without a label, are left out and counted.
    """
    inputs = [*inputs_of(data, mapping), *(each for each in (a, b) if not each.is_dir())]
    if json_out:
        is_own = json_with("figures", "decisions", "left_out")
        check_file(json_out, "--json", is_own=is_own, inputs=[*inputs, page_out])
    if page_out:
        check_file(page_out, "--page", is_own=begins_with_title(_TITLE), inputs=inputs)
    is_of_labels = not (a.is_dir() or b.is_dir())
    if is_of_labels:
        reading = label_reading_of(mapping, accepted)
    else:
        reading = reading_of(mapping, accepted, base_currency)
    ours, theirs = _both(a, b, (data, reading), budget)
    with bar("resamples", 2 * resamples) as advance:
        found = compare(ours, theirs, resamples, advance)
    for name, path in (("A", a), ("B", b)):
        said = trained_notes(trained_of(path), ours.occurred_at)
        found["notes"] += [f"{name}: {note}" for note in said]
    if json_out:
        with whole(json_out, "--json", private=True) as partial:
            partial.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    if page_out:
        title, names = f"{_TITLE}{a.name} and {b.name}", (str(a), str(b))
        with whole(page_out, "--page", private=True) as partial:
            partial.write_text(page(title, names, found, [curves(ours), curves(theirs)]))
    show(found)
    if page_out:
        click.echo(f"page in {page_out}")
    echo_left_out(found)


def _both(a: Path, b: Path, given: tuple[Path, Reading], budget: float) -> list[Scored]:
    """The scores of both on the rows that both have; a file is read, and a model asked, once."""
    data, reading = given
    models = {each: OfflineModel(each) for each in (a, b) if each.is_dir()}
    left_out = LeftOut()
    with bar("read", None):
        tables = {
            each: read_scores(each, reading, left_out) for each in (a, b) if each not in models
        }
    if models:
        scored, labels = scores_of(models, given)
        tables |= scored
    else:
        labels = read_labels(data, reading, left_out)
    echo_rows_left_out(left_out)
    scores = [(tables[each], each) for each in (a, b)]
    return joined(scores, (labels, data), budget, left_out.total)


def scores_of(
    models: Mapping[Path, OfflineModel], given: tuple[Path, Reading]
) -> tuple[dict[Path, pa.Table], pa.Table]:
    """(the scores of each model, the labels) of a file's rows. Features that two models share are
    computed once. Fatal where the file has no labels.
    """
    data, reading = given
    read = read_transactions(data, reading)
    if read.labels is None:
        raise without_label(data, reading)
    echo_rows_left_out(read.left_out)
    known: dict[str, NDArray[np.float32]] = {}
    tables = {name: scored_by(model, read, known) for name, model in models.items()}
    return tables, next(iter(tables.values())).select(["transaction_id", "customer_id", LABEL])


def show(found: dict[str, Any]) -> None:
    """A comparison as a table, then the decisions that change."""
    rows = f"{count_of(found['rows'], 'row')} of {count_of(found['customers'], 'customer')}"
    click.echo(f"{rows}, {count_of(found['frauds'], 'fraud')}; differences are B less A")
    click.echo(f"  {'':20}{'A':>14}{'B':>14}{'difference':>14}  {'95 % interval':26}B is")
    for name, each in found["figures"].items():
        click.echo(
            f"  {name:20}{number(each['a']):>14}{number(each['b']):>14}"
            f"{number(each['difference']):>14}  "
            f"{between(each['difference_interval']):26}{each['b_is']}"
        )
    currency = found["base_currency"]
    for each in found["decisions"]:
        counts = f"{count_of(each['rows'], 'row')}, {count_of(each['frauds'], 'fraud')}"
        of_frauds, of_genuine = (
            shown(each[f"{of}_minor"], currency) for of in ("fraud", "genuine")
        )
        click.echo(
            f"  {each['from']} to {each['to']}: {counts}; {of_frauds} of frauds, "
            f"{of_genuine} of genuine ones"
        )
    if not found["decisions"]:
        click.echo("  no decision changes")
    for note in found["notes"]:
        click.echo(note)
