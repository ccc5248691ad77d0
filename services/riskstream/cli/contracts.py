"""`riskstream contracts check|release|register`."""

from pathlib import Path

import click

from riskstream.cli.options import InputFolder
from riskstream.domain.contracts.catalog import shipped
from riskstream.domain.contracts.compatibility import check as find_breaks
from riskstream.domain.contracts.compatibility import release as write_released
from riskstream.domain.contracts.compatibility import unreleased
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of


@click.group()
def command() -> None:
    """Check the record schemas against every released version."""


@command.command()
@click.option(
    "--schemas", type=InputFolder(), help="folder of the schemas [default: those of this version]"
)
def check(schemas: Path | None) -> Exit:
    """Name every field that breaks an older version, and every schema that was not released. The
    exit code is 1 if any.
    """
    folder = schemas or shipped("schemas")
    findings, compared = find_breaks(folder)
    for each in findings:
        click.echo(
            f"{each.contract} breaks version {each.version} at {each.path}: {each.problem}",
            err=True,
        )
    if findings:
        click.echo("add a field with a default, or make a new major version: <record>.v2", err=True)
        return Exit.NO
    if new := unreleased(folder):
        click.echo(
            f"{', '.join(new)}: the schema is not kept as released: run `riskstream "
            "contracts release`",
            err=True,
        )
        return Exit.NO
    click.echo(f"compatible with {count_of(compared, 'released schema')}")
    return Exit.DONE


@command.command()
def release() -> None:
    """Save the present schemas as released, with example records in bytes. Part of making a
    release.
    """
    written = write_released(shipped("schemas"))
    for line in written or ["nothing new"]:
        click.echo(line)


@command.command()
def register() -> None:
    """Register the schema of each topic as subject <topic>-value at RISKSTREAM_SCHEMA_REGISTRY_URL.
    Print the ids.
    """
    # here: the other commands need no Kafka client
    from riskstream.platform.adapters.schemas import register_all

    for subject, known in register_all().items():
        click.echo(f"{known:>10} {subject}")
