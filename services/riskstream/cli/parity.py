"""`riskstream parity`."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from riskstream.cli.data import inputs_of, reading_of
from riskstream.cli.options import (
    InputData,
    base_currency_option,
    client_option,
    data_options,
    features_option,
    kafka_option,
)
from riskstream.cli.outputs import begins_with, json_with
from riskstream.cli.progress import bar
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.clients.read_columns import ColumnReader
from riskstream.platform.kafka.currency import check_currency
from riskstream.platform.kafka.record import Records
from riskstream.runtime.durations import DAY_S
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.offline_parity import OfflineParity
from riskstream.workbench.checks.parity import ParityCheck
from riskstream.workbench.rows.transactions import read_transactions

PROFILE_EVENTS = "profile-events.v1"
_DEADLINE_S = DAY_S


@click.command()
@kafka_option
@features_option("--features")
@click.option(
    "--source", default="transactions.v1", show_default=True, help="topic of the transactions"
)
@click.option("--output", default="scores.v1", show_default=True, help="topic of the scores")
@click.option(
    "--data",
    type=InputData(),
    help="file of what was sent; compares also with what training computes for it",
)
@data_options
@click.option(
    "--id-prefix",
    default="",
    help="prefix that the topics have before the transaction ids of --data",
)
@click.option(
    "--json",
    "json_out",
    type=click.Path(path_type=Path),
    help="file to write the counts to, as JSON",
)
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    help="file to write the counts to, as Prometheus metrics",
)
@base_currency_option
@client_option
def command(
    kafka: str,
    features: FeatureSet,
    source: str,
    output: str,
    data: Path | None,
    mapping: Path | None,
    accepted: tuple[str, ...],
    id_prefix: str,
    json_out: Path | None,
    metrics: Path | None,
    base_currency: str,
    way: Way,
) -> None:
    """Check that the features in each score equal those computed again, bit for bit.

    With --data, compare them also with what training computes for the same rows. Features of the
    customer must be equal; differences in profiles are only reported. The exit code is 1 if
    features differ that must not. Do not activate a release after such a result.
    """
    _check_outputs(json_out, metrics, inputs_of(data, mapping) if data else [])
    # first: what is wrong with the file is said before the topics are read
    sent = read_transactions(data, reading_of(mapping, accepted, base_currency)) if data else None
    check_currency(kafka, base_currency)
    with ColumnReader(kafka, output, source, **_as_logged(way)) as reader:
        _check_begins_at_0(reader, source, "the state of older records is not known", kafka)
        check = ParityCheck(features, source, reader.counts[source], base_currency)
        _take_all(reader, "records", check.take)
    found = check.finish()
    if features.profiles:
        _profiles(kafka, check, way)
    _show(asdict(found), features.label, found.is_whole)
    counts = asdict(found)
    is_whole = found.is_whole
    if sent is not None:
        with bar("features of the file", None):
            against = OfflineParity(sent, features, id_prefix)
        with ColumnReader(kafka, output, **_as_logged(way)) as reader:
            _take_all(reader, "scores", against.take)
        offline = against.found
        counts |= {f"offline_{name}": value for name, value in asdict(offline).items()}
        is_whole = is_whole and offline.is_whole
        _show(asdict(offline), f"{features.label} against training", offline.is_whole)
    counts["is_whole"] = is_whole
    if json_out:
        with whole(json_out, "--json") as partial:
            partial.write_text(json.dumps(counts, indent=1) + "\n")
    if metrics:
        _export(counts, features.label, metrics)
    if not is_whole:
        raise SystemExit(Exit.NO)


def _check_outputs(json_out: Path | None, metrics: Path | None, inputs: list[Path | None]) -> None:
    """Fatal where a file to write is there, and no earlier run of this command wrote it."""
    if json_out:
        check_file(
            json_out,
            "--json",
            is_own=json_with("is_whole", "compared", "problems"),
            inputs=[*inputs, metrics],
        )
    if metrics:
        check_file(
            metrics, "--metrics", is_own=begins_with("# HELP riskstream_parity_"), inputs=inputs
        )


def _as_logged(way: Way) -> dict[str, Any]:
    """How scores and transactions are read: as they stand there, aborted ones too."""
    return {"way": way, "is_told": False, "committed_only": False}


def _profiles(kafka: str, check: ParityCheck, way: Way) -> None:
    """The vectors of profiles, from profile-events.v1."""
    with ColumnReader(kafka, PROFILE_EVENTS, way=way, is_told=False) as reader:
        _check_begins_at_0(
            reader, PROFILE_EVENTS, "the profiles of older records are not known", kafka
        )
        _take_all(reader, "profile events", check.profiles.take)
    if left := check.profiles.without_events():
        raise Fatal(
            what=f"{left} vectors have later offsets than {PROFILE_EVENTS} holds",
            where=kafka,
            do="give the cluster that the scorers read",
        )


def _check_begins_at_0(reader: ColumnReader, name: str, unknown: str, kafka: str) -> None:
    """Fatal, with what is `unknown`, where the topic's first records were deleted."""
    for (topic, number), first in reader.positions.items():
        if topic == name and first > 0:
            raise Fatal(
                what=f"{topic}[{number}] begins at offset {first}: {unknown}",
                where=kafka,
                do="run parity where the topic is whole",
            )


def _take_all(reader: ColumnReader, what: str, take: Callable[[Records], None]) -> None:
    """Give `take` all records up to the topics' ends, under a bar that is named `what`."""
    total = sum(reader.ends[place] - at for place, at in reader.positions.items())
    with bar(what, total) as advance:
        for records in reader.columns_until_end(_DEADLINE_S):
            take(records)
            advance(len(records))


def _show(counts: dict[str, Any], label: str, is_whole: bool) -> None:
    for name, value in counts.items():
        if isinstance(value, int):
            click.echo(f"  {name:16} {value:,}")
    for problem in counts["problems"]:
        click.echo(f"  {problem}", err=True)
    compared = counts.get("compared", counts.get("rows", 0))
    word = "equal, bit for bit" if is_whole else "NOT equal" if compared else "nothing to compare"
    click.echo(f"{label}: {count_of(compared, 'vector')} {word}")


def _export(counts: dict[str, Any], label: str, path: Path) -> None:
    registry = CollectorRegistry()
    for name, value in counts.items():
        if isinstance(value, int) and not isinstance(value, bool):
            words = f"Scores of the last parity run: {name.replace('_', ' ')}"
            Gauge(f"riskstream_parity_{name}", words, ["feature_set"], registry=registry).labels(
                label
            ).set(value)
    with whole(path, "--metrics") as partial:
        write_to_textfile(str(partial), registry)
