"""What commands that read somebody's data share: how it is read, and what they say of the rows that
were left out.
"""

import ctypes
from pathlib import Path

import click
import pyarrow as pa

from riskstream.cli.progress import bar
from riskstream.runtime.words import count_of
from riskstream.workbench.files.reader import paths_of
from riskstream.workbench.mapping.file import read_label_mapping, read_mapping
from riskstream.workbench.mapping.survey import LeftOut
from riskstream.workbench.rows.transactions import Reading

_M_MMAP_THRESHOLD = -3
"""Option of mallopt(3): larger blocks are mapped each for itself."""


def spare_memory() -> None:
    """For commands that stream a file of any size: what is freed goes back to the system. Arrow's
    own allocator keeps about 40 MB of it, and glibc 30 MB of blocks below 32 MB.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc alone
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 1 << 18)


def inputs_of(data: Path, mapping: Path | None) -> list[Path | None]:
    """What is read, and no output may replace: each file of the data, and the mapping."""
    return [*paths_of(data), mapping]


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
