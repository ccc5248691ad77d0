"""`riskstream logged`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from riskstream.cli.options import (
    base_currency_option,
    client_option,
    features_option,
    kafka_option,
)
from riskstream.cli.outputs import parquet_of, write_parquet
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.currency import check_currency
from riskstream.runtime.durations import DAY_MS, DAY_S
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file
from riskstream.runtime.words import count_of
from riskstream.workbench.rows.logged import LoggedRows

SCORES, LABELS = "scores.v1", "labels.v1"
_DEADLINE_S = DAY_S

WORDS = {
    "rows": "rows written",
    "frauds": "frauds among them",
    "immature": "too young to have a label",
    "cold": "scored without history",
    "other_set": "of another feature set",
    "late": ("labelled too late"),
    "strange": "labels without a score",
    "other_currency": "in another base currency",
}
"""What each count of `Joined` is, for people; all but the first two were left out."""


@click.command()
@kafka_option
@features_option("--features")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write")
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="use only what was known at this time, UTC [default: the time of the newest event or "
    "label]",
)
@click.option(
    "--label-delay-days",
    type=click.IntRange(0, 120),
    default=7,
    show_default=True,
    help="after so many days a transaction without a label counts as genuine; a younger one is "
    "left out",
)
@base_currency_option
@client_option
def command(
    kafka: str,
    features: FeatureSet,
    out: Path,
    as_of: datetime | None,
    label_delay_days: int,
    base_currency: str,
    way: Way,
) -> None:
    """Write the features that scorers logged, joined with the labels that came up to 120 days
    later.

    Give the file to `riskstream train --data`, to `riskstream rules dry-run --data`, or to
    `riskstream evaluate` as --scores and as --labels. If a transaction has several labels, the best
    source wins: chargeback, then analyst, customer, import; on a tie, the newest.
    """
    check_file(out, is_own=parquet_of("logged"))
    check_currency(kafka, base_currency)
    rows = LoggedRows(features, base_currency)
    for topic, take in ((LABELS, rows.take_labels), (SCORES, rows.take_scores)):
        with ColumnReader(kafka, topic, way=way, is_told=False, committed_only=False) as reader:
            with bar(
                topic, sum(reader.ends[place] - at for place, at in reader.positions.items())
            ) as advance:
                for records in reader.columns_until_end(_DEADLINE_S):
                    take(records)
                    advance(len(records))
    then = None if as_of is None else int(as_of.replace(tzinfo=UTC).timestamp() * 1000)
    with bar("join", None):
        table = rows.table(then, label_delay_days * DAY_MS)
    if not len(table):
        raise Fatal(
            what=f"no score of {features.label} is {label_delay_days} days old or labelled",
            where=kafka,
            do="let scorers of that set run first, or give --label-delay-days 0",
            exit_code=Exit.INPUT,
        )
    write_parquet(out, table, "logged", private=True)
    for name, value in asdict(rows.found).items():
        click.echo(f"  {WORDS[name]:28} {value:,}")
    click.echo(f"{count_of(len(table), 'row')} of {features.label} in {out}")
