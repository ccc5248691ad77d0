"""`riskstream score`."""

import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riskstream.cli.data import echo_rows_left_out, inputs_of, reading_of
from riskstream.cli.options import InputData, InputFolder, base_currency_option, data_options
from riskstream.cli.outputs import parquet_of, write_parquet
from riskstream.cli.progress import bar
from riskstream.domain.risk.decision import APPROVE, BLOCK, REVIEW
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file
from riskstream.workbench.checks.model_scores import OfflineModel, known_labels
from riskstream.workbench.checks.scored import DECISIONS
from riskstream.workbench.checks.trained import trained_notes, with_trained
from riskstream.workbench.rows.transactions import LABEL, Transactions, read_transactions


@click.command()
@click.option(
    "--model",
    type=InputFolder(),
    required=True,
    help="model folder that `riskstream train` wrote",
)
@click.option("--data", type=InputData(), required=True, help="file of transactions")
@data_options
@base_currency_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Parquet file to write")
def command(
    model: Path,
    data: Path,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
    out: Path,
) -> None:
    """Score the transactions of a file with a trained model, without Kafka.

    The scorer's own code computes features and scores; each row knows what was before it in the
    file. Decisions come from the model's thresholds, without rules. Give the file to `riskstream
    evaluate` as --scores, and as --labels if it has `is_fraud`.
    """
    check_file(out, is_own=parquet_of("score"), inputs=inputs_of(data, mapping))
    started = time.monotonic()
    read = read_transactions(data, reading_of(mapping, accepted, base_currency))
    scorer = OfflineModel(model)
    table = with_trained(scored_by(scorer, read), scorer.card.trained_ms)
    write_parquet(out, table, "score", private=True)
    spent = time.monotonic() - started
    counts = ", ".join(
        f"{_count(table, each):,} {DECISIONS[each]}" for each in (APPROVE, REVIEW, BLOCK)
    )
    click.echo(f"{len(table):,} rows scored in {spent:.1f} s ({counts}): {out}")
    if LABEL in table.column_names and (unknown := table[LABEL].null_count):
        click.echo(f"without a label: {unknown:,}; `riskstream evaluate` leaves them out")
    for note in trained_notes(scorer.card.trained_ms, read.columns.occurred_at):
        click.echo(note, err=True)
    echo_rows_left_out(read.left_out)


def scored_by(
    model: OfflineModel, read: Transactions, known: dict[str, NDArray[np.float32]] | None = None
) -> pa.Table:
    """The model's table, with is_fraud where the file has it. Fatal where it holds no rows.

    `known`: by feature set vectors of these rows that were computed; those of the model are added.
    """
    known, label = {} if known is None else known, model.features.label
    labels, n = known_labels(read), len(read.columns.occurred_at)
    if not n:
        raise Fatal(
            what="it holds no rows", where=str(read.path), do="give some", exit_code=Exit.INPUT
        )
    if label not in known:
        with bar("features", n) as advance:
            known[label] = read.vectors(model.features, advance)
    with bar("scores", n) as advance:
        table = model.table(read, known[label], advance)
    return table if labels is None else table.append_column(LABEL, labels)


def _count(table: pa.Table, decision: int) -> int:
    return int(np.count_nonzero(table["decision"].to_numpy() == DECISIONS[decision]))
