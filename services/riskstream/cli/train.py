"""`riskstream train`."""

import json
from pathlib import Path

import click
import pyarrow as pa

from riskstream.cli.data import echo_rows_left_out, inputs_of, reading_of
from riskstream.cli.options import InputData, base_currency_option, data_options, features_option
from riskstream.cli.outputs import write_parquet
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.money import minor_of
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_folder, whole_folder
from riskstream.runtime.words import count_of
from riskstream.workbench.rows.dataset import labels_of, read_dataset
from riskstream.workbench.rows.logged import is_logged, read_logged
from riskstream.workbench.rows.transactions import Reading, read_transactions
from riskstream.workbench.training.fit import BOOSTERS, FitSettings, is_model_folder, train
from riskstream.workbench.training.handbook import VARIANTS as BOOK_VARIANTS
from riskstream.workbench.training.handbook import run
from riskstream.workbench.training.second_stage import VARIANTS
from riskstream.workbench.training.thresholds import Costs

BOOK_FILES = {"model.onnx", "scores.parquet", "labels.parquet", "figures.json"}


@click.command()
@click.option(
    "--data",
    type=InputData(),
    required=True,
    help="file of transactions with is_fraud, or one that `riskstream logged` wrote",
)
@data_options
@base_currency_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="model folder to write")
@click.option(
    "--protocol",
    type=click.Choice(["own", "handbook"]),
    default="own",
    show_default=True,
    help="own: test on the last quarter of the rows. handbook: use the training and test weeks "
    "of the public handbook",
)
@click.option(
    "--validate", is_flag=True, help="with --protocol handbook: use its validation weeks too"
)
@features_option("--features")
@click.option(
    "--trees",
    type=click.IntRange(1, 5000),
    default=200,
    show_default=True,
    help="most trees; training stops earlier when more do not help",
)
@click.option(
    "--review-budget",
    type=click.FloatRange(0.0001, 0.5),
    default=0.01,
    show_default=True,
    help="share of transactions to review or block",
)
@click.option(
    "--block-budget",
    type=click.FloatRange(0.0001, 0.5),
    default=0.002,
    show_default=True,
    help="share of transactions to block, at most the review budget",
)
@click.option(
    "--review-cost", type=click.FloatRange(0), help="cost of one review, in whole currency units"
)
@click.option(
    "--block-cost",
    type=click.FloatRange(0),
    help="cost of blocking one genuine transaction, in whole currency units",
)
@click.option(
    "--booster",
    type=click.Choice(BOOSTERS),
    default="lightgbm",
    show_default=True,
    help="library that trains the trees; xgboost needs the extra `xgboost`",
)
@click.option(
    "--stage2",
    type=click.Choice(VARIANTS),
    help="also train a second, neural model for uncertain transactions; it is used only if it "
    "is better",
)
def command(
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    out: Path,
    protocol: str,
    validate: bool,
    features: FeatureSet,
    trees: int,
    review_budget: float,
    block_budget: float,
    review_cost: float | None,
    block_cost: float | None,
    booster: str,
    stage2: str | None,
) -> None:
    """Train a model on labelled transactions and write it as ONNX, with thresholds and a model
    card.

    The last quarter of the rows is not trained on. Half of it decides when to stop and calibrates;
    the other half sets the thresholds and measures. Thresholds come from the two budgets. With
    --review-cost and --block-cost, the thresholds with the lowest total cost are chosen instead; a
    missed fraud costs its amount.
    """
    _check_costs(review_cost, block_cost)
    if review_cost is None:
        _check_budgets(review_budget, block_budget)
    reading = reading_of(mapping, accepted, base_currency)
    if protocol == "handbook":
        check_folder(out, is_own=_is_book_folder, inputs=inputs_of(data, mapping))
        _handbook(data, out, validate, reading)
        return
    check_folder(out, is_own=is_model_folder, inputs=inputs_of(data, mapping))
    if is_logged(data):
        with bar("read", None):
            rows = read_logged(data, features, base_currency)
    else:
        rows = read_dataset(data, features, reading)
    click.echo(f"training on {len(rows.labels):,} rows")
    settings = FitSettings(
        trees=trees,
        review_budget=review_budget,
        block_budget=block_budget,
        costs=_costs(review_cost, block_cost, rows.base_currency),
        booster=booster,
        stage2=stage2 or "",
    )
    metrics = train(rows, features, settings, out, bar)
    for name, value in metrics.items():
        click.echo(
            f"  {name:34} {value:.6g}" if isinstance(value, float) else f"  {name:34} {value:,}"
        )
    click.echo(f"model in {out}, its card in {out / 'card.html'}")
    if metrics["average_precision"] <= metrics["average_precision_amount"]:
        click.echo(
            "warning: the model is no better than sorting by amount, by its average precision",
            err=True,
        )
    echo_rows_left_out(rows.left_out)


def _check_costs(review_cost: float | None, block_cost: float | None) -> None:
    if (review_cost is None) != (block_cost is None):
        raise Fatal(
            what="only one of two costs is given",
            where="command line",
            do="give --review-cost and --block-cost, or neither",
            exit_code=Exit.INPUT,
        )


def _check_budgets(review: float, block: float) -> None:
    """Fatal where more is to be blocked than reviewed or blocked."""
    if block > review:
        raise Fatal(
            what=f"the block budget {block:g} is over the review budget {review:g}, which holds "
            "what is blocked too",
            where="command line",
            do=f"give a --block-budget of at most {review:g}",
            exit_code=Exit.INPUT,
        )


def _costs(review_cost: float | None, block_cost: float | None, currency: str) -> Costs | None:
    if review_cost is None or block_cost is None:
        return None
    return Costs(
        review_minor=minor_of(review_cost, currency), block_minor=minor_of(block_cost, currency)
    )


def _handbook(data: Path, out: Path, validate: bool, reading: Reading) -> None:
    """Each variant's figures, and in `out`/<variant> its model, scores and labels for `riskstream
    evaluate`.
    """
    read = read_transactions(data, reading, is_labelled=True)
    labels = labels_of(read)
    for tested in run(read, click.echo, validate=validate):
        folder, rows = out / tested.variant.name, tested.rows
        scores = {
            "transaction_id": read.ids.cast(pa.string()).take(pa.array(rows)),
            "customer_id": pa.array(read.customers[rows]).cast(pa.string()),
            "occurred_at": pa.array(read.columns.occurred_at[rows], pa.timestamp("ms")),
            "base_amount_minor": read.columns.base_amount_minor[rows],
            "score": tested.scores,
        }
        known = {name: scores[name] for name in ("customer_id", "transaction_id")} | {
            "is_fraud": labels[rows]
        }
        with whole_folder(folder) as partial:
            (partial / "model.onnx").write_bytes(tested.onnx)
            write_parquet(partial / "scores.parquet", pa.table(scores), "train", private=True)
            write_parquet(partial / "labels.parquet", pa.table(known), "train", private=True)
            (partial / "figures.json").write_text(json.dumps(tested.figures, indent=1) + "\n")
        click.echo(
            f"{tested.variant.name}: test week, {len(rows):,} rows with "
            f"{count_of(int(labels[rows].sum()), 'fraud')}"
        )
        for name, value in tested.figures.items():
            click.echo(f"  {name:22} {value:.4f}")
    click.echo(f"models, scores and labels in {out}")


def _is_book_folder(folder: Path) -> bool:
    """True where a folder holds variants of the book's protocol and nothing else."""
    held = {each.name: {file.name for file in each.iterdir()} for each in folder.iterdir()}
    return set(held) <= {each.name for each in BOOK_VARIANTS} and all(
        files <= BOOK_FILES for files in held.values()
    )
