"""`riskstream iso20022 check|show`."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from riskstream.cli.options import InputFile
from riskstream.domain.contracts.door import Fault
from riskstream.gateway.iso20022.mapping import SHIPPED, read_mappings, shipped_text
from riskstream.gateway.iso20022.message import Summary, read_message
from riskstream.gateway.problem import Problem
from riskstream.gateway.rates import read_rates
from riskstream.runtime.causes import cause
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import now_ms
from riskstream.runtime.words import count_of

_CHUNK_BYTES = 1 << 20


@click.group()
def command() -> None:
    """Check messages of ISO 20022 (pacs.008, pain.001), and show how they are mapped to
    transactions.
    """


@command.command()
@click.argument("file", type=InputFile(may_be_pipe=True))
@click.option(
    "--mapping",
    "mappings",
    type=InputFile(),
    multiple=True,
    help="YAML file in place of the mapping that ships for its message; may be repeated",
)
@click.option(
    "--rates",
    type=InputFile(),
    help="YAML file of exchange rates [default: the rates that come with the gateway]",
)
@click.option(
    "--account-key",
    type=InputFile(),
    help="file with the key of the tokens that stand for accounts [default: no key]",
)
@click.option(
    "--show",
    "most",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="how many transactions to print as they would be read, as JSON",
)
def check(
    file: Path,
    mappings: tuple[Path, ...],
    rates: Path | None,
    account_key: Path | None,
    most: int,
) -> None:
    """Print what would be read of a message, what the mapping leaves out, and all that is wrong
    with each transaction. Nothing is sent.

    The exit code is 1 if a transaction is wrong, and 2 if the whole message would be refused.
    """
    key = _bytes_of(account_key).strip() if account_key else b""
    message = read_message(
        _chunks(file), read_mappings(mappings), read_rates(rates), now_ms(), account_key=key
    )
    problem: Problem | None = None
    try:
        for item in message:
            place = f"transaction {item.number + 1:,} (line {item.line:,})"
            if item.faults:
                click.echo(f"{place} is wrong:")
                _echo_faults(item.faults)
            elif item.number < most:
                click.echo(f"{place}: {json.dumps(item.values, ensure_ascii=False)}")
    except Problem as error:
        problem = error
    summary = message.summary
    _echo_summary(summary)
    if problem is not None:
        _echo_faults(problem.errors)
        raise Fatal(
            what=f"the message would be refused: {problem.detail}",
            where=str(file),
            do="correct the message, or see docs/iso20022.md",
            exit_code=Exit.INPUT,
        )
    if summary.wrong:
        raise Fatal(
            what=f"{count_of(summary.wrong, 'transaction')} of {summary.transactions:,} would be "
            "refused",
            where=str(file),
            do="correct what is named above",
            exit_code=Exit.NO,
        )


@command.command()
@click.argument("message", type=click.Choice(SHIPPED))
def show(message: str) -> None:
    """Print the mapping that ships for a message type, to begin one of your own with."""
    click.echo(shipped_text(message), nl=False)


def _echo_faults(faults: tuple[Fault, ...]) -> None:
    for each in faults:
        click.echo(f"  {each.path}: {each.detail}")


def _echo_summary(summary: Summary) -> None:
    if summary.message:
        right = summary.transactions - summary.wrong
        said = f"{count_of(right, 'transaction')} would be read"
        click.echo(f"{summary.message} {summary.message_id}: {said}, {summary.wrong:,} refused")
    if summary.left_out:
        click.echo("left out, with how often it is there:")
    for path, count in summary.left_out:
        click.echo(f"  {path:60} {count:>10,}")


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _unread(file, error) from error


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unread(file, error) from error


def _unread(file: Path, error: OSError) -> Fatal:
    return Fatal(
        what=f"it cannot be read: {cause(error)}",
        where=str(file),
        do="give a file that can be read",
        exit_code=Exit.INPUT,
    )
