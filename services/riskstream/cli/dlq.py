"""`riskstream dlq list|show|redrive`."""

import json
from collections import Counter

import click

from riskstream.cli.options import kafka_option
from riskstream.cli.tail import shown
from riskstream.kafka.dead_letters import DeadLetter, read_dead_letters, redrive
from riskstream.runtime.errors import Fatal

topic_option = click.option("--topic", default="transactions.v1.dlq", show_default=True, help="dead-letter topic")
reason_option = click.option("--reason", help="only letters with this reason (docs/rejects.md)")


@click.group()
def command() -> None:
    """Dead letters, counted once by source position: list, look at, send again."""


@command.command("list")
@kafka_option
@topic_option
@reason_option
@click.option("--positions", is_flag=True, help="a line each letter")
def list_letters(kafka: str, topic: str, reason: str | None, positions: bool) -> None:
    """Count the dead letters by reason."""
    letters = [each for each in read_dead_letters(kafka, topic) if reason in (None, each.reason)]
    if positions:
        for each in letters:
            click.echo(f"{each.position:>14}  {each.reason:26} {each.detail}")
    else:
        for name, count in Counter(each.reason for each in letters).most_common():
            click.echo(f"{count:>10,}  {name}")
    click.echo(f"{len(letters):,} dead letters")


@command.command()
@click.argument("position")
@kafka_option
@topic_option
def show(position: str, kafka: str, topic: str) -> None:
    """Print the letter of a source position (PARTITION:OFFSET) as JSON, its bytes as base64."""
    for each in read_dead_letters(kafka, topic):
        if each.position == position:
            click.echo(json.dumps(shown(each.record), indent=2))
            return
    raise Fatal(
        what=f"no dead letter of {position}", where=topic, do="see `riskstream dlq list --positions`", exit_code=2
    )


@command.command("redrive")
@click.argument("positions", nargs=-1)
@kafka_option
@topic_option
@reason_option
@click.option("--all", "everything", is_flag=True, help="every letter that was not redriven yet")
@click.option("--again", is_flag=True, help="also those that were redriven before")
def redrive_letters(
    positions: tuple[str, ...], kafka: str, topic: str, reason: str | None, everything: bool, again: bool
) -> None:
    """Send letters to their source again, byte for byte, in one transaction; each position once unless --again.

    Give source positions (PARTITION:OFFSET), --reason or --all.
    """
    if not (positions or reason or everything):
        raise click.UsageError("give positions, --reason or --all")

    def is_wanted(letter: DeadLetter) -> bool:
        is_named = letter.position in positions
        return (is_named or (not positions and not letter.is_cut)) and reason in (None, letter.reason)

    now, before = redrive(kafka, topic, is_wanted, again=again)
    click.echo(f"{len(now):,} redriven, {len(before):,} left: they were before")
