"""What commands that read somebody's data share: how it is read, and what they say of the rows that
were left out.
"""

from pathlib import Path

import click

from riskstream.cli.progress import bar
from riskstream.runtime.words import count_of
from riskstream.workbench.mapping.file import read_label_mapping, read_mapping
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.transactions import Reading


def reading_of(mapping: Path | None, accepted: tuple[str, ...], base_currency: str) -> Reading:
    """How the options say that a file is read, with its progress on stderr."""
    declared = read_mapping(mapping) if mapping else None
    return Reading(mapping=declared, base_currency=base_currency, accepted=accepted, steps=bar)


def label_reading_of(mapping: Path | None, accepted: tuple[str, ...]) -> Reading:
    """How a file with labels is read: its mapping may be of labels alone, and then without what
    figures do not need.
    """
    declared = read_label_mapping(mapping, ("transaction_id", "outcome")) if mapping else None
    return Reading(mapping=declared, accepted=accepted)


def echo_rows_left_out(left_out: LeftOut) -> None:
    """How many rows were left out by reason; nothing where none was."""
    if not left_out.total:
        return
    click.echo(f"{count_of(left_out.total, 'row')} left out:", err=True)
    for line in left_out.said():
        click.echo(line, err=True)
