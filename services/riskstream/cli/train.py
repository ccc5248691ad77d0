"""`riskstream train`."""

from pathlib import Path

import click

from riskstream.cli.options import features_option
from riskstream.cli.progress import bar
from riskstream.risk.features.declare import FeatureSet
from riskstream.trainer.dataset import read_dataset
from riskstream.trainer.fit import FitSettings, train


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Parquet of the contract's columns and is_fraud"
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="model folder to write")
@features_option("--features")
@click.option("--trees", type=click.IntRange(1, 5000), default=200, show_default=True)
@click.option(
    "--review-budget", type=click.FloatRange(0.0001, 0.5), default=0.01, show_default=True, help="share not approved"
)
@click.option(
    "--block-budget", type=click.FloatRange(0.0001, 0.5), default=0.002, show_default=True, help="share blocked"
)
def command(data: Path, out: Path, features: FeatureSet, trees: int, review_budget: float, block_budget: float) -> None:
    """Train on the features the scorer computes, export to ONNX, set thresholds on the last quarter of the rows."""
    with bar("features", None) as advance:
        rows = read_dataset(data, features, advance)
    click.echo(f"training on {len(rows.labels):,} rows")
    settings = FitSettings(trees=trees, review_budget=review_budget, block_budget=block_budget)
    metrics = train(rows, features, settings, out)
    for name, value in metrics.items():
        click.echo(f"  {name:26} {value:.6g}" if isinstance(value, float) else f"  {name:26} {value:,}")
    click.echo(f"model in {out}")
