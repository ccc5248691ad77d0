"""What click says of a command line that is wrong, in the form of all our errors."""

import click

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


def as_fatal(error: click.ClickException) -> Fatal:
    """One sentence: what is wrong, of which command, and what to do."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "riskstream"
    do = f"see `{command} --help`"
    if isinstance(error, click.NoSuchOption):
        what = f"no such option {error.option_name}"
        if error.possibilities:
            do = f"use {error.possibilities[0]}, or {do}"
    else:
        said = " ".join(error.format_message().split()).removesuffix(".")
        what = said[:1].lower() + said[1:]
    code = Exit.INPUT if isinstance(error, click.UsageError) else Exit.NO
    return Fatal(what=what, where=command, do=do, exit_code=code)
