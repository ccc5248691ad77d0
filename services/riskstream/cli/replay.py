"""`riskstream replay FILE`."""

import csv
import re
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import click

from riskstream.cli.data import spare_memory
from riskstream.cli.options import InputData, base_currency_option, data_options, kafka_option
from riskstream.cli.outputs import begins_with, json_with
from riskstream.cli.progress import bar
from riskstream.platform.kafka.currency import check_currency
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.machine import now_ms
from riskstream.runtime.words import count_of
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.file import default_mapping, read_mapping
from riskstream.workbench.mapping.survey import Survey, surveyed
from riskstream.workbench.replay.kept import KeptRows
from riskstream.workbench.replay.labels import WaitingLabels
from riskstream.workbench.replay.merge import merged
from riskstream.workbench.replay.send import Progress, ResumeFile, Sender


@click.command()
@click.argument("file", type=InputData())
@kafka_option
@data_options
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
    accepted: tuple[str, ...],
    rate: float | None,
    speed: float | None,
    bad_path: Path | None,
    state: Path | None,
    base_currency: str,
) -> Exit:
    """Send the rows of files as transactions and labels, in time order.

    FILE is Parquet, CSV, JSON lines, Arrow or Excel, a folder of such files, or a pattern in
    quotes. All rows are read before the first is sent: rows that do not fit are left out, and
    written to a file with line and reason. The others wait in a temporary file. A label is sent
    when it became known. With --state, a replay that was stopped goes on where it stopped. Events
    of its last second may be sent twice; the scorer answers them as duplicates.
    """
    _check_pace(rate, speed)
    spare_memory()
    declared = read_mapping(mapping) if mapping else None
    files = Files(file, declared.layout if declared else None)
    bad = _BadRows(bad_path or file.with_name(f"{_plain_name(file)}.bad.csv"))
    _check_outputs(bad.path, state, [*files.paths, mapping])
    found = declared or default_mapping(files.names)
    if found.left_empty:
        click.echo(f"not in the file and left empty: {', '.join(found.left_empty)}", err=True)
    resume = (
        ResumeFile(state, files.paths, mapping.read_text() if mapping else "") if state else None
    )
    before = resume.read() if resume else Progress()
    check_currency(kafka, base_currency)
    stop = _stop_on_signals()
    converter = Converter(found, base_currency, now_ms(), accepted)
    with tempfile.TemporaryDirectory(prefix="riskstream-replay-") as folder:
        kept = KeptRows(Path(folder) / "rows")
        survey = _look(files, converter, accepted, kept, bad)
        sender = Sender(kafka, rate=rate, speed=speed, stop=stop)
        sender.progress.transactions, sender.progress.labels = before.transactions, before.labels
        sender.progress.events, sender.progress.bad = before.events, bad.count
        events = 2 * survey.good if found.is_fraud else survey.good
        _send(kept, WaitingLabels(Path(folder) / "labels"), sender, resume, events)
    _sum_up(sender.progress, bad, survey)
    if stop.is_set():
        how = (
            f"run the same command again to go on from {state}"
            if state
            else "without --state it cannot go on"
        )
        click.echo(f"stopped; {how}")
        return Exit.INTERRUPTED
    return Exit.DONE


def _check_pace(rate: float | None, speed: float | None) -> None:
    if rate and speed:
        raise Fatal(
            what="--rate and --speed are both given",
            where="command line",
            do="give one of them",
            exit_code=Exit.INPUT,
        )


def _plain_name(file: Path) -> str:
    """The name of a file, a folder or a pattern as one of a file."""
    return re.sub(r"[*?\[\]]", "_", file.name)


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _look(
    files: Files,
    converter: Converter,
    accepted: tuple[str, ...],
    kept: KeptRows,
    bad: "_BadRows",
) -> Survey:
    """Read everything, keep what fits and write the rest to `bad`; then say what will be left out,
    before anything is sent.
    """

    def on_converted(rows: FileRows, found: Converted) -> None:
        kept.add(rows, found)
        bad.add(rows, found)
        advance(rows.batch.num_rows)

    with bad, bar("check", files.total) as advance:
        batches = files.batches(converter.columns, converter.absent)
        survey = surveyed(batches, converter, on_converted)
        survey.check(files.given, accepted)
    if survey.left_out.total:
        click.echo(f"{count_of(survey.left_out.total, 'row')} will be left out:", err=True)
        for line in survey.left_out.said():
            click.echo(line, err=True)
    return survey


def _check_outputs(bad: Path, state: Path | None, inputs: list[Path | None]) -> None:
    """Fatal where a file to write is there, and no earlier run of this command wrote it."""
    check_file(bad, "--bad", is_own=begins_with(_BadRows.HEAD), inputs=[*inputs, state])
    if state:
        is_own = json_with("identity", *Progress.__slots__)
        check_file(state, "--state", is_own=is_own, inputs=inputs)


def _send(
    kept: KeptRows,
    waiting: WaitingLabels,
    sender: Sender,
    resume: ResumeFile | None,
    events: int,
) -> None:
    """Send what the sender's progress does not count yet, to the end or until it is stopped."""
    skip = sender.progress.events
    with bar("replay", events) as advance:
        told = 0

        def on_sent(progress: Progress) -> None:
            nonlocal told
            advance(progress.events - told)
            told = progress.events

        for part in merged(kept, waiting):
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
    if resume:
        resume.write(sender.progress, force=True)


def _sum_up(progress: Progress, bad: "_BadRows", survey: Survey) -> None:
    """Say what was sent, and where the rows are that were not."""
    if survey.unlabelled:
        click.echo(f"{count_of(survey.unlabelled, 'transaction')} without a label")
    click.echo(
        f"{count_of(progress.transactions, 'transaction')} and "
        f"{count_of(progress.labels, 'label')} sent, "
        f"{count_of(bad.count, 'row')} left out"
    )
    if bad.count:
        click.echo(f"rows left out, with reasons: {bad.path}")


class _BadRows:
    """Writes file, line, reason and value of each row left out; the file is begun with the first,
    and is there at the end.

    Leave the `with` block before reading `count` as final. Where the block fails, a file of before
    stays as it was.
    """

    HEAD = "file,line,reason,value"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._lines: list[tuple[str, int, str, str]] = []
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

    def add(self, rows: FileRows, found: Converted) -> None:
        """Those of a batch."""
        self.count += len(found.left_out)
        self._lines += [
            (rows.path.name, place, each.why, each.value) for place, each in found.left_out
        ]
        if len(self._lines) >= 1000:
            self._flush()

    def _flush(self) -> None:
        if self._partial is None:
            self._partial = self._stack.enter_context(whole(self.path, "--bad", private=True))
            self._partial.write_text(f"{self.HEAD}\n")
        with self._partial.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self._lines)
        self._lines = []
