"""`riskstream train`."""

import json
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq

from riskstream.cli.options import features_option
from riskstream.cli.progress import bar
from riskstream.risk.features.declare import FeatureSet
from riskstream.runtime.files import whole
from riskstream.trainer.dataset import labels_of, read_dataset, read_transactions
from riskstream.trainer.fit import FitSettings, train
from riskstream.trainer.protocol import run


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Parquet of the contract's columns and is_fraud"
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="model folder to write")
@click.option(
    "--protocol", type=click.Choice(["own", "handbook"]), default="own", show_default=True,
    help="own: the last quarter validates. handbook: the public book's training and test weeks",
)  # fmt: skip
@click.option("--validate", is_flag=True, help="with --protocol handbook: its validation weeks as well")
@features_option("--features")
@click.option("--trees", type=click.IntRange(1, 5000), default=200, show_default=True)
@click.option(
    "--review-budget", type=click.FloatRange(0.0001, 0.5), default=0.01, show_default=True, help="share not approved"
)
@click.option(
    "--block-budget", type=click.FloatRange(0.0001, 0.5), default=0.002, show_default=True, help="share blocked"
)
def command(
    data: Path, out: Path, protocol: str, validate: bool, features: FeatureSet, trees: int, review_budget: float,
    block_budget: float,
) -> None:  # fmt: skip
    """Train on the features the scorer computes, export to ONNX, set thresholds on the last quarter of the rows."""
    if protocol == "handbook":
        _handbook(data, out, validate)
        return
    with bar("features", None) as advance:
        rows = read_dataset(data, features, advance)
    click.echo(f"training on {len(rows.labels):,} rows")
    settings = FitSettings(trees=trees, review_budget=review_budget, block_budget=block_budget)
    metrics = train(rows, features, settings, out)
    for name, value in metrics.items():
        click.echo(f"  {name:26} {value:.6g}" if isinstance(value, float) else f"  {name:26} {value:,}")
    click.echo(f"model in {out}")


def _handbook(data: Path, out: Path, validate: bool) -> None:
    """Each variant's figures, and in `out`/<variant> its model, scores and labels for `riskstream evaluate`."""
    read = read_transactions(data, is_labelled=True)
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
        with whole(folder / "model.onnx") as partial:
            partial.write_bytes(tested.onnx)
        with whole(folder / "scores.parquet") as partial:
            pq.write_table(pa.table(scores), partial)
        with whole(folder / "labels.parquet") as partial:
            pq.write_table(pa.table({"transaction_id": scores["transaction_id"], "is_fraud": labels[rows]}), partial)
        with whole(folder / "figures.json") as partial:
            partial.write_text(json.dumps(tested.figures, indent=1) + "\n")
        click.echo(f"{tested.variant.name}: test week, {len(rows):,} rows with {int(labels[rows].sum())} frauds")
        for name, value in tested.figures.items():
            click.echo(f"  {name:22} {value:.4f}")
    click.echo(f"models, scores and labels in {out}")
