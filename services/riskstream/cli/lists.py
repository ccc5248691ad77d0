"""`riskstream lists`."""

from pathlib import Path

import click

from riskstream.cli.options import InputFile, kafka_option
from riskstream.cli.saved_rules import Saved, said
from riskstream.platform.adapters.rule_records import LISTS
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of

_BY = click.option("--by", default="", help="your name, kept with the change")


@click.group()
def command() -> None:
    """Show and change the lists that rules use. Every scorer follows a change within a second."""


@command.command()
@click.argument("list_id", required=False)
@kafka_option
def show(list_id: str | None, kafka: str) -> None:
    """Show every list, or the values of one."""
    held = Saved.read(kafka)
    if list_id is None:
        for name, each in held.lists.items():
            click.echo(f"{name} v{each['version']}: {count_of(len(each['values']), 'value')}")
        for wrong in held.records.refused():
            if wrong.topic == LISTS:
                click.echo(said(wrong))
        return
    for value in _of(held, list_id):
        click.echo(value)


@command.command("set")
@click.argument("list_id")
@click.argument("file", type=InputFile(may_be_pipe=True))
@kafka_option
@_BY
def set_command(list_id: str, file: Path, kafka: str, by: str) -> None:
    """Replace LIST_ID by the lines of FILE. Empty lines are ignored."""
    try:
        values = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Fatal(
            what=f"it cannot be read: {cause(error)}",
            where=str(file),
            do="give a text file, a value a line",
            exit_code=Exit.INPUT,
        ) from error
    _say(Saved.read(kafka), list_id, values, by)


@command.command()
@click.argument("list_id")
@click.argument("values", nargs=-1, required=True)
@kafka_option
@_BY
def add(list_id: str, values: tuple[str, ...], kafka: str, by: str) -> None:
    """Add values to a list. A list that does not exist is created."""
    held = Saved.read(kafka)
    _say(held, list_id, [*held.values().get(list_id, []), *values], by)


@command.command()
@click.argument("list_id")
@click.argument("values", nargs=-1, required=True)
@kafka_option
@_BY
def remove(list_id: str, values: tuple[str, ...], kafka: str, by: str) -> None:
    """Remove values from a list."""
    held = Saved.read(kafka)
    _say(held, list_id, [value for value in _of(held, list_id) if value not in values], by)


def _of(held: Saved, list_id: str) -> list[str]:
    if list_id not in held.lists:
        raise Fatal(
            what=f"there is no list {list_id}",
            where=f"lists.v1 of {held.kafka}",
            do="see `riskstream lists show`",
            exit_code=Exit.INPUT,
        )
    return held.values()[list_id]


def _say(held: Saved, list_id: str, values: list[str], by: str) -> None:
    version = held.save_list(list_id, values, by)
    click.echo(f"{list_id} v{version}: {count_of(len(set(values)), 'value')}")
