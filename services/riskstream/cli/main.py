"""`riskstream …`: finds the command's file and turns errors into one sentence and an exit code."""

import importlib
import sys
from typing import Any

import click
import structlog

from riskstream.cli.usage import as_fatal
from riskstream.runtime.exits import MEANINGS, Exit
from riskstream.runtime.run import run_main

COMMANDS = {
    "local": ("local", "start, show and stop a local Kafka, a Redis and the services"),
    "topics": ("topics", "create and configure the Kafka topics"),
    "contracts": ("contracts", "check the schemas against every released version"),
    "simulate": ("simulate", "write simulated transactions with attacks and late labels"),
    "map": ("map", "propose a mapping for a file of your own"),
    "check": ("check", "show what a file holds, and which of its rows would be left out"),
    "iso20022": ("iso20022", "check messages of ISO 20022, and show how they are mapped"),
    "replay": ("replay", "send the rows of your own files as transactions and labels"),
    "labels": ("labels", "send the labels of a file"),
    "features": ("features", "compute features for the transactions of a file"),
    "logged": ("logged", "write the features that scorers logged, with labels, as training data"),
    "train": ("train", "train a model on a file with labels"),
    "score": ("score", "score the transactions of a file with a trained model"),
    "evaluate": ("evaluate", "compare scores with labels"),
    "compare": ("compare", "compare two models, or two files of scores, on the same rows"),
    "release": ("release", "pack, verify, show and activate signed releases"),
    "rules": ("rules", "check rules, try them on past transactions, switch them on and off"),
    "lists": ("lists", "show and change the lists that rules use"),
    "keys": ("keys", "make, show and revoke API keys of the gateway"),
    "tail": ("tail", "print a topic's records as JSON"),
    "lag": ("lag", "show the lag of consumer groups"),
    "dlq": ("dlq", "list, show and resend rejected records (dead letters)"),
    "parity": ("parity", "check that logged features equal recomputed ones"),
    "rebuild": ("rebuild", "rebuild the scorers' state from the topics"),
    "snapshots": ("snapshots", "show, take and restore snapshots of the scorers' state"),
    "report": ("report", "write and list risk reports"),
    "demo": ("demo", "run the whole system on this machine and print figures"),
    "compile": ("kernels", "compile the numeric code once, into a cache"),
}
"""Command to (module of cli/, one line of help); the module's function `command` is the command."""


class LazyGroup(click.Group):
    """Imports a command's module when it is used, so that `riskstream --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"riskstream.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


_CODES = ", ".join(f"{code:d} {word}" for code, (word, *_) in MEANINGS.items())


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {_CODES} (docs/exit-codes.md).",
)
@click.version_option(package_name="riskstream")
def root() -> None:
    """Event-streaming inference microservices for transaction risk."""


def main() -> None:
    """Entry point of the command. What is logged goes to stderr: stdout holds answers alone."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    def run() -> int:
        try:
            code: Any = root.main(standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return error.exit_code
        except click.ClickException as error:
            raise as_fatal(error) from error
        except click.Abort as error:
            raise KeyboardInterrupt from error
        return code if isinstance(code, int) else Exit.DONE

    run_main(run)
