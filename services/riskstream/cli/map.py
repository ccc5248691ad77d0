"""`riskstream map`."""

import shlex
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from riskstream.cli.data import echo_rows_left_out
from riskstream.cli.options import InputData, base_currency_option
from riskstream.cli.outputs import begins_with
from riskstream.runtime.causes import shown_in_line
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import check_file, whole
from riskstream.runtime.machine import now_ms
from riskstream.workbench.files.reader import Files
from riskstream.workbench.files.rows import named
from riskstream.workbench.mapping.columns_seen import SAMPLE_ROWS, Seen, columns_seen, further
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.file import parsed
from riskstream.workbench.mapping.findings import shown
from riskstream.workbench.mapping.proposal.lacking import is_in_one_object, lacking, what_to_do
from riskstream.workbench.mapping.proposal.opening import OTHER_ENCODING, opened
from riskstream.workbench.mapping.proposal.proposal import proposed
from riskstream.workbench.mapping.survey import LeftOut

_SHOWN = 5
_DEFAULT_BASE = "EUR"
"""What `check` takes without --base-currency."""


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
    found = opened(file)
    files = found.files
    seen, why = columns_seen(files, found.names_at)
    if not seen:
        what = f"it holds no rows{f' that can be read: {why}' if why else ''}"
        names = "say its names, `file: {columns: [NAME, ...]}`" if why else "give some"
        do = is_in_one_object(files.paths[0]) or names
        raise Fatal(what=what, where=str(file), do=do, exit_code=Exit.INPUT)
    draft = proposed(
        seen,
        found.layout,
        now_ms() + DAY_MS,
        base_currency,
        _first if yes else _asked,
        partial(further, files, found.names_at),
    )
    if what := lacking(draft):
        do = is_in_one_object(files.paths[0]) or what_to_do(draft, files.names, files.sheets)
        raise Fatal(what=what, where=str(file), do=do, exit_code=Exit.INPUT)
    if found.layout.encoding == OTHER_ENCODING:
        draft.whys["encoding"] = f"it is no UTF-8, and a guess; {_strange(seen)}"
    if files.unread:
        draft.notes.append(f"sheets not read: {named(files.unread)}")
    if at := found.names_at:
        draft.notes.append(f"line {at} names the columns: up to it, lines are left out as no rows")
    text = draft.text(file.name)
    with whole(target, private=True) as out_file:
        out_file.write_text(text)
    click.echo(text, nl=False)
    _show(files, text, file, draft.base)
    if draft.unused:
        click.echo(draft.unused)
    then = ["riskstream", "check", str(file), "--mapping", str(target)]
    if draft.base != _DEFAULT_BASE:
        then += ["--base-currency", draft.base]
    click.echo(f"mapping in {target}: read it, then `{shlex.join(then)}`")


def _strange(seen: list[Seen]) -> str:
    """A name or a word that shows whether an encoding is right."""
    words = [word for each in seen for word in (each.name, *each.words)]
    return f"like {shown_in_line(next((w for w in words if not w.isascii()), ''), 40)!r}"


def _first(_question: str, answers: list[str]) -> str:
    return answers[0]


def _asked(question: str, answers: list[str]) -> str:
    """What a person answers; the first where just Enter is pressed."""
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
