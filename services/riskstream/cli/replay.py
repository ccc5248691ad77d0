"""`riskstream replay FILE`."""

import csv
import signal
import tempfile
from pathlib import Path
from threading import Event

import click

from riskstream.cli.options import kafka_option
from riskstream.cli.progress import bar
from riskstream.replay.convert import Converter
from riskstream.replay.labels import WaitingLabels
from riskstream.replay.mapping import default_mapping, read_mapping
from riskstream.replay.merge import merged
from riskstream.replay.send import Progress, ResumeFile, Sender
from riskstream.replay.source import FileSource


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@kafka_option
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    help="YAML: your columns to the contract [default: the contract's own names]",
)
@click.option("--rate", type=click.FloatRange(0.1), help="events a second at most")
@click.option(
    "--speed",
    type=click.FloatRange(0.0001),
    help="event time over wall time: 1 is as it happened, 3600 an hour a second",
)
@click.option(
    "--bad",
    "bad_path",
    type=click.Path(path_type=Path),
    help="CSV of rows left out, with reason [default: FILE.bad.csv]",
)
@click.option(
    "--state", type=click.Path(path_type=Path), help="remembers how far it came; the same command goes on there"
)
def command(
    file: Path,
    kafka: str,
    mapping: Path | None,
    rate: float | None,
    speed: float | None,
    bad_path: Path | None,
    state: Path | None,
) -> int:
    """Send a Parquet or CSV file as transactions and labels, each when it becomes known, oldest first.

    Rows that do not fit are left out and written to a file with line and reason. With --state a replay that was
    stopped goes on where it was; events of its last second may be sent again, and are then scored as duplicates.
    """
    if rate and speed:
        raise click.UsageError("give --rate or --speed, not both")
    found = read_mapping(mapping) if mapping else default_mapping()
    source = FileSource(file, found)
    resume = ResumeFile(state, file, mapping.read_text() if mapping else "") if state else None
    before = resume.read() if resume else Progress()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sender = Sender(kafka, rate=rate, speed=speed, stop=stop)
    bad_path = bad_path or file.with_name(f"{file.name}.bad.csv")
    bad = _BadRows(bad_path)
    skip = before.events
    sender.progress.transactions, sender.progress.labels = before.transactions, before.labels
    sender.progress.events = before.events
    events = None if source.total is None else source.total * (2 if found.is_fraud else 1)
    with tempfile.TemporaryDirectory(prefix="riskstream-replay-") as folder, bar("replay", events) as advance:
        waiting = WaitingLabels(Path(folder) / "labels")
        told = 0

        def on_sent(progress: Progress) -> None:
            nonlocal told
            advance(progress.events - told)
            told = progress.events

        for part in merged(source, Converter(found), waiting, bad.add):
            if skip >= part.events:
                skip -= part.events
                continue
            done = sender.send(part, skip, on_sent)
            skip = 0
            if resume:
                resume.write(sender.progress, force=not done)
            if not done:
                break
        waiting.close()
    bad.close()
    sender.progress.bad = bad.count
    if resume:
        resume.write(sender.progress, force=True)
    progress = sender.progress
    click.echo(
        f"{progress.transactions:,} transactions and {progress.labels:,} labels sent, {bad.count:,} rows left out"
    )
    if bad.count:
        click.echo(f"rows left out, with reasons: {bad_path}")
    if stop.is_set():
        click.echo(
            "stopped" + (f"; the same command goes on from {state}" if state else "; with --state it could go on")
        )
        return 130
    return 0


class _BadRows:
    """Writes line and reason of each row left out; the file is made with the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0
        self._lines: list[tuple[int, str]] = []

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        self._lines.append((line, reason))
        if len(self._lines) >= 1000:
            self._flush()

    def close(self) -> None:
        if self._lines:
            self._flush()

    def _flush(self) -> None:
        is_new = self.count == len(self._lines)
        with self._path.open("w" if is_new else "a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["line", "reason"])
            writer.writerows(self._lines)
        self._lines = []
