"""`riskstream map`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from riskstream.cli.data import echo_rows_left_out
from riskstream.cli.options import InputData, base_currency_option
from riskstream.cli.outputs import begins_with
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.machine import now_ms
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import Layout, named
from riskstream.workbench.mapping.columns_seen import SAMPLE_ROWS, columns_seen
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.file import parsed
from riskstream.workbench.mapping.findings import shown
from riskstream.workbench.mapping.proposal import proposed
from riskstream.workbench.mapping.survey import LeftOut

_SHOWN = 5
_OTHER_ENCODING = "cp1252"


@click.command("map")
@click.argument("file", type=InputData())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="mapping to write [default: FILE.mapping.yaml]",
)
@base_currency_option
@click.option("--yes", is_flag=True, help="take the likeliest answer to each question")
def command(file: Path, out: Path | None, base_currency: str, yes: bool) -> None:
    """Propose a mapping for a file: look at its first rows, guess each column with its reason, and
    write the mapping with comments.

    Five rows are shown as they would be read, beside the originals, and what would be left out.
    Read the lines that say unsure, then run `riskstream check`.
    """
    target = out or file.with_name(f"{file.name}.mapping.yaml")
    check_file(target, is_own=begins_with("# riskstream map:"), inputs=[file])
    files, layout = _opened(file)
    seen = columns_seen(files)
    if not seen or not seen[0].rows:
        raise Fatal(what="it holds no rows", where=str(file), do="give some", exit_code=Exit.INPUT)

    def ask(question: str, answers: list[str]) -> str:
        if yes:
            return answers[0]
        try:
            of_these = click.Choice(answers)
            return str(click.prompt(question, type=of_these, default=answers[0], err=True))
        except click.Abort as error:
            if isinstance(error.__context__, EOFError):
                raise Fatal(
                    what="a question has no answer",
                    where="standard input",
                    do="answer it, or give --yes",
                    exit_code=Exit.INPUT,
                ) from None
            raise

    found = proposed(seen, layout, now_ms() + DAY_MS, base_currency, ask)
    text = found.text(file.name)
    lacking = [name for name in ("amount_minor", "occurred_at") if name not in found.transaction]
    if lacking:
        raise Fatal(
            what=f"no column of it looks like {' or '.join(lacking)}",
            where=str(file),
            do="write the mapping yourself (docs/data.md); its columns are " + named(files.names),
            exit_code=Exit.INPUT,
        )
    with whole(target, private=True) as partial:
        partial.write_text(text)
    click.echo(text, nl=False)
    currency = found.transaction["currency"]
    base = currency["value"] if isinstance(currency, dict) else base_currency
    _show(files, text, file, base)
    click.echo(f"mapping in {target}: read it, then `riskstream check {file} --mapping {target}`")


def _opened(file: Path) -> tuple[Files, Layout]:
    """The file, in another encoding where it is not UTF-8."""
    files = Files(file)
    try:
        for _ in files.batches(files.names[:1]):
            break
    except Fatal as error:
        if "is no utf-8" not in error.what:
            raise
        layout = Layout(encoding=_OTHER_ENCODING)
        return Files(file, layout), layout
    return files, Layout()


def _show(files: Files, text: str, file: Path, base_currency: str) -> None:
    """The first rows beside the originals, and what of the sample would be left out."""
    mapping = parsed(text, file)
    converter = Converter(mapping, base_currency, now_ms())
    left_out, rows, is_shown = LeftOut(), 0, False
    for batch in files.batches(converter.columns):
        found = converter.convert(batch)
        left_out.add(batch.path, found.left_out)
        rows += batch.batch.num_rows
        if not is_shown and found.transactions.num_rows:
            is_shown = True
            places = found.places[:_SHOWN].tolist()
            for at, place in enumerate(places):
                click.echo(f"line {place:,}")
                origin = batch.places.tolist().index(place)
                for name, source in mapping.fields.items():
                    if not source.columns:
                        continue
                    held = [batch.batch.column(each)[origin] for each in source.columns]
                    raw = " ".join(map(shown, held))
                    read = _said(name, found.transactions[name][at])
                    click.echo(f"  {name:18} {raw:32} {read}")
        if rows >= SAMPLE_ROWS:
            break
    if not is_shown:
        click.echo("no row of the sample fits as it is proposed", err=True)
    echo_rows_left_out(left_out)


def _said(name: str, value: Any) -> str:
    """A field's value as a person reads it: times as dates."""
    if name != "occurred_at":
        return shown(value)
    return datetime.fromtimestamp(value.as_py() / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
