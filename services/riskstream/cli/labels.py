"""`riskstream labels`."""

from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.cli.options import InputData, base_currency_option, data_options, kafka_option
from riskstream.cli.progress import bar
from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.bounds import ColumnBounds
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk import validity
from riskstream.domain.risk.judge import OUT_OF_BOUNDS, LabelJudge
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.currency import check_currency
from riskstream.platform.kafka.proofs import TopicNeeds, prove_topics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import now_ms
from riskstream.runtime.steps import Advance
from riskstream.runtime.words import count_of
from riskstream.workbench.mapping.file import read_label_mapping
from riskstream.workbench.mapping.label_rows import read_label_rows

TOPIC = "labels.v1"
_AT_ONCE = 4096


@click.command()
@click.argument("file", type=InputData())
@kafka_option
@data_options
@base_currency_option
def command(
    file: Path,
    kafka: str,
    mapping: Path | None,
    accepted: tuple[str, ...],
    base_currency: str,
) -> None:
    """Send the labels of a file, in the order in which they became known.

    FILE is Parquet, CSV, JSON lines, Arrow or Excel with the columns of label.v1, or with those
    that the section `label` of --mapping names; or a folder of such files. If one row is wrong,
    nothing is sent.
    The columns terminal_id and device_id carry a label to the profiles of terminal and device.
    Without a column base_currency, losses are in --base-currency.
    """
    table, frames = read_labels(file, base_currency, accepted, mapping)
    prove_topics(TopicAdmin(kafka), TopicNeeds(reads=(), writes=[TOPIC]), kafka)
    check_currency(kafka, base_currency)
    producer = BulkProducer(kafka, "labels")
    keys = [key.encode() for key in table["customer_id"].to_pylist()]
    with bar("labels", len(frames)) as advance:
        for start in range(0, len(frames), _AT_ONCE):
            some = frames[start : start + _AT_ONCE]
            producer.send(TOPIC, keys[start : start + _AT_ONCE], some)
            advance(len(some))
        producer.flush()
    frauds = pc.sum(pc.equal(table["outcome"], "FRAUD")).as_py()
    click.echo(f"{count_of(len(frames), 'label')} sent, {frauds:,} of them fraud")


def read_labels(
    file: Path,
    base_currency: str = "EUR",
    accepted: tuple[str, ...] = (),
    mapping: Path | None = None,
) -> tuple[pa.Table, list[bytes]]:
    """The file's labels and their frames, sorted by known_at. Fatal where a column is missing or a
    row is wrong.
    """
    declared = read_label_mapping(mapping) if mapping else None
    if mapping and declared and not declared.labels:
        raise _wrong(
            mapping,
            "the mapping is of transactions",
            "give one whose section `label` has the fields of label.v1, or use `riskstream replay`",
        )
    table = read_label_rows(file, now_ms(), frozenset(accepted), declared, bar)
    early = np.flatnonzero(table["known_at"].to_numpy() < table["occurred_at"].to_numpy())
    if len(early):
        raise _wrong(
            file, f"the label of row {early[0]} is known before its transaction", "correct known_at"
        )
    if "base_currency" not in table.column_names:
        table = table.append_column(
            "base_currency", pa.array([base_currency] * len(table), pa.string())
        )
    with bar("check", len(table)) as advance:
        frames = _framed(file, table, base_currency, advance)
    order = pc.sort_indices(table, sort_keys=[("known_at", "ascending"), ("label_id", "ascending")])
    return table.take(order), [frames[row] for row in order.to_pylist()]


def _framed(file: Path, table: pa.Table, base_currency: str, advance: Advance) -> list[bytes]:
    """A frame for each row, checked against the contract's bounds as the profiler will."""
    try:
        frames = ArrowEncoder("label.v1", _AT_ONCE).encode(table)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise _wrong(
            file, f"its rows are no labels: {error}", "see schemas/label.v1.avsc"
        ) from error
    decoder = ColumnDecoder("label.v1")
    judge, bounds = (
        LabelJudge(decoder.layout, base_currency),
        ColumnBounds("label.v1", decoder.layout),
    )
    for start in range(0, len(frames), _AT_ONCE):
        columns = decoder.decode(frames[start : start + _AT_ONCE])
        for row, reason in judge.rejected(columns):
            why = bounds.why(columns, row) if reason == OUT_OF_BOUNDS else reason
            if reason == validity.REASONS[validity.OTHER_BASE]:
                why = (
                    f"its loss is in {columns.text('base_currency', row)}, base_currency is "
                    f"{base_currency}"
                )
            raise _wrong(file, f"row {start + row}: {why}", "correct it or leave it out")
        advance(len(frames[start : start + _AT_ONCE]))
    return frames


def _wrong(file: Path, what: str, do: str) -> Fatal:
    return Fatal(what=what, where=str(file), do=do, exit_code=Exit.INPUT)
