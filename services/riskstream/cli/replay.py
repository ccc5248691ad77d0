"""`riskstream replay FILE`."""

import csv
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import click

from riskstream.cli.options import InputFile, base_currency_option, kafka_option
from riskstream.cli.outputs import begins_with, json_with
from riskstream.cli.progress import bar
from riskstream.platform.kafka.currency import check_currency
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.words import count_of
from riskstream.workbench.replay.convert import Converter
from riskstream.workbench.replay.labels import WaitingLabels
from riskstream.workbench.replay.mapping import read_mapping
from riskstream.workbench.replay.merge import merged
from riskstream.workbench.replay.send import Progress, ResumeFile, Sender
from riskstream.workbench.replay.source import FileSource


@click.command()
@click.argument("file", type=InputFile())
@kafka_option
@click.option(
    "--mapping",
    type=InputFile(),
    help="YAML file that maps your columns to the contract's fields [default: the columns have "
    "the fields' names]",
)
@click.option("--rate", type=click.FloatRange(0.1), help="send at most this many events a second")
@click.option(
    "--speed",
    type=click.FloatRange(0.0001),
    help="replay this much faster than it happened: 1 is real time, 3600 sends an hour in a second",
)
@click.option(
    "--bad",
    "bad_path",
    type=click.Path(path_type=Path),
    help="CSV file for the rows left out, with reasons [default: FILE.bad.csv]",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="file that remembers the progress, so that the same command can go on",
)
@base_currency_option
def command(
    file: Path,
    kafka: str,
    mapping: Path | None,
    rate: float | None,
    speed: float | None,
    bad_path: Path | None,
    state: Path | None,
    base_currency: str,
) -> int:
    """Send the rows of a Parquet or CSV file as transactions and labels, in time order.

    A label is sent when it became known. Rows that do not fit are left out and written to a file
    with line and reason. With --state, a replay that was stopped goes on where it stopped. Events
    of its last second may be sent twice; the scorer answers them as duplicates.
    """
    if rate and speed:
        raise click.UsageError("give --rate or --speed, not both")
    bad = _BadRows(bad_path or file.with_name(f"{file.name}.bad.csv"))
    _check_outputs(bad.path, state, [file, mapping])
    source = FileSource(file, read_mapping(mapping) if mapping else None)
    if source.mapping.left_empty:
        empty = ", ".join(source.mapping.left_empty)
        click.echo(f"not in the file and left empty: {empty}", err=True)
    resume = ResumeFile(state, file, mapping.read_text() if mapping else "") if state else None
    before = resume.read() if resume else Progress()
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    check_currency(kafka, base_currency)
    sender = Sender(kafka, rate=rate, speed=speed, stop=stop)
    sender.progress.transactions, sender.progress.labels = before.transactions, before.labels
    sender.progress.events = before.events
    _send(source, base_currency, sender, resume, bad)
    _sum_up(sender.progress, bad)
    if stop.is_set():
        how = (
            f"run the same command again to go on from {state}"
            if state
            else "without --state it cannot go on"
        )
        click.echo(f"stopped; {how}")
        return 130
    return 0


def _check_outputs(bad: Path, state: Path | None, inputs: list[Path | None]) -> None:
    """Fatal where a file to write is there, and no earlier run of this command wrote it."""
    check_file(bad, "--bad", is_own=begins_with(_BadRows.HEAD), inputs=[*inputs, state])
    if state:
        is_own = json_with("identity", *Progress.__slots__)
        check_file(state, "--state", is_own=is_own, inputs=inputs)


def _send(
    source: FileSource,
    base_currency: str,
    sender: Sender,
    resume: ResumeFile | None,
    bad: "_BadRows",
) -> None:
    """Send what the sender's progress does not count yet, to the end or until it is stopped."""
    found = source.mapping
    skip = sender.progress.events
    events = None if source.total is None else source.total * (2 if found.is_fraud else 1)
    with (
        tempfile.TemporaryDirectory(prefix="riskstream-replay-") as folder,
        bad,
        bar("replay", events) as advance,
    ):
        waiting = WaitingLabels(Path(folder) / "labels")
        told = 0

        def on_sent(progress: Progress) -> None:
            nonlocal told
            advance(progress.events - told)
            told = progress.events

        for part in merged(source, Converter(found, base_currency), waiting, bad.add):
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
    sender.progress.bad = bad.count
    if resume:
        resume.write(sender.progress, force=True)


def _sum_up(progress: Progress, bad: "_BadRows") -> None:
    """Say what was sent, and where the rows are that were not."""
    click.echo(
        f"{count_of(progress.transactions, 'transaction')} and "
        f"{count_of(progress.labels, 'label')} sent, "
        f"{count_of(bad.count, 'row')} left out"
    )
    if bad.count:
        click.echo(f"rows left out, with reasons: {bad.path}")


class _BadRows:
    """Writes line and reason of each row left out; the file is begun with the first, and is there
    at the end.

    Leave the `with` block before reading `count` as final. Where the block fails, a file of before
    stays as it was.
    """

    HEAD = "line,reason"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._lines: list[tuple[int, str]] = []
        self._stack = ExitStack()
        self._partial: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._lines:
            self._flush()
        self._stack.__exit__(kind, value, trace)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        self._lines.append((line, reason))
        if len(self._lines) >= 1000:
            self._flush()

    def _flush(self) -> None:
        if self._partial is None:
            self._partial = self._stack.enter_context(whole(self.path, "--bad", private=True))
            self._partial.write_text(f"{self.HEAD}\n")
        with self._partial.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self._lines)
        self._lines = []
