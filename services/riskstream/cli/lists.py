"""`riskstream lists`."""

import time
from pathlib import Path

import click

from riskstream.cli.list_entries import Until, lines
from riskstream.cli.options import InputFile, kafka_option
from riskstream.cli.saved_rules import Saved, changed, said
from riskstream.domain.risk.rules.listed import Entry
from riskstream.platform.adapters.rule_records import LISTS
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of

_BY = click.option("--by", default="", help="your name, kept with the change")
_UNTIL = click.option(
    "--until",
    type=Until(),
    help="list the values until this day or time, UTC; a day lasts to its end [default: for ever]",
)


@click.group()
def command() -> None:
    """Show and change the lists that rules use. Every scorer follows a change within a second.

    A value may end (--until). Rules then find it for transactions that occurred before its end, so
    a replay decides as the scorer did. --note says why a value is in a list.
    """


@command.command()
@click.argument("list_id", required=False)
@kafka_option
def show(list_id: str | None, kafka: str) -> None:
    """Show every list with who changed it, or the values of one with their ends and notes."""
    held = Saved.read(kafka)
    if list_id is None:
        for name, each in held.lists.items():
            count = count_of(len(each["values"]), "value")
            click.echo(f"{name} v{each['version']}: {count}, {changed(each)}")
        for wrong in held.records.refused():
            if wrong.topic == LISTS:
                click.echo(said(wrong))
        return
    for line in lines(_of(held, list_id), time.time_ns() // 1_000_000):
        click.echo(line)


@command.command("set")
@click.argument("list_id")
@click.argument("file", type=InputFile(may_be_pipe=True))
@kafka_option
@_UNTIL
@click.option("--note", default="", help="why the values are listed, at most 200 bytes")
@_BY
def set_command(
    list_id: str, file: Path, kafka: str, until: int | None, note: str, by: str
) -> None:
    """Replace LIST_ID by the lines of FILE, all with the same end and note. Empty lines are
    ignored.
    """
    try:
        values = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(
            what=f"it cannot be read: {cause(error)}",
            where=str(file),
            do="give a text file, a value a line",
            exit_code=Exit.INPUT,
        ) from error
    entries = [Entry(value=value, ends_at=until, note=note) for value in values]
    _say(Saved.read(kafka), list_id, entries, by)


@command.command()
@click.argument("list_id")
@click.argument("values", nargs=-1, required=True)
@kafka_option
@_UNTIL
@click.option(
    "--note",
    help="why the values are listed, at most 200 bytes [default: a value keeps the note it has]",
)
@_BY
def add(
    list_id: str,
    values: tuple[str, ...],
    kafka: str,
    until: int | None,
    note: str | None,
    by: str,
) -> None:
    """Add values to a list. A list that does not exist is created.

    A value that is listed already gets the new end. Without --until it has none any more.
    """
    held = Saved.read(kafka)
    before = held.entries().get(list_id, [])
    notes = {each.value: each.note for each in before}
    added = [
        Entry(value=value, ends_at=until, note=notes.get(value, "") if note is None else note)
        for value in values
    ]
    _say(held, list_id, [*before, *added], by)


@command.command()
@click.argument("list_id")
@click.argument("values", nargs=-1, required=True)
@kafka_option
@_BY
def remove(list_id: str, values: tuple[str, ...], kafka: str, by: str) -> None:
    """Remove values from a list. To keep what a replay decides, let them end: `add --until`."""
    held = Saved.read(kafka)
    _say(held, list_id, [each for each in _of(held, list_id) if each.value not in values], by)


def _of(held: Saved, list_id: str) -> list[Entry]:
    if list_id not in held.lists:
        raise Fatal(
            what=f"there is no list {list_id}",
            where=f"lists.v1 of {held.kafka}",
            do="see `riskstream lists show`",
            exit_code=Exit.INPUT,
        )
    return held.entries()[list_id]


def _say(held: Saved, list_id: str, entries: list[Entry], by: str) -> None:
    version = held.save_list(list_id, entries, by)
    count = count_of(len(held.lists[list_id]["values"]), "value")
    click.echo(f"{list_id} v{version}: {count}")
