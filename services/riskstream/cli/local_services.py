"""`riskstream local services up|down|status|logs`."""

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from riskstream.cli.options import dir_option
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.local_stack import running
from riskstream.workbench.local import chain_supervisor
from riskstream.workbench.local.chain_supervisor import NAMES, Wanted, logs_folder, services_folder
from riskstream.workbench.local.services import is_ready

_LOOK_EVERY_S = 0.3


@click.group()
def services() -> None:
    """Run every service on the local stack, with their logs in one folder."""


@services.command()
@dir_option
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    envvar="RISKSTREAM_SCORER_MODEL",
    default=Path("build/model"),
    show_default=True,
    help="model folder of the scorer, unless RISKSTREAM_SCORER_RELEASE names a release",
)
@click.option(
    "--gateway-port",
    type=click.IntRange(0, 65535),
    envvar="RISKSTREAM_GATEWAY_PORT",
    default=8080,
    show_default=True,
    help="port to serve HTTP on; 0 takes any free port",
)
@click.option(
    "--only",
    type=click.Choice(NAMES),
    multiple=True,
    help="only this service; may be repeated [default: all]",
)
def up(folder: Path, model: Path, gateway_port: int, only: tuple[str, ...]) -> Exit:
    """Start the services and return when each is ready. Services that run already stay as they are,
    unless one of them has ended: then all are started again.

    It makes the topics that are missing. Other settings of a service come from the environment, as
    RISKSTREAM_SCORER_LOG_LEVEL. The exit code is 3 if the stack is not up or a port is taken.
    """
    by_release = "RISKSTREAM_SCORER_RELEASE" in os.environ
    wanted = Wanted(
        model="" if by_release else str(model),
        gateway_port=gateway_port,
        names=tuple(name for name in NAMES if not only or name in only),
    )
    state, was_running = chain_supervisor.up(folder, wanted, click.echo)
    click.echo("already running" if was_running else "running")
    return Exit.DONE if _show(state) else Exit.NO


@services.command()
@dir_option
def status(folder: Path) -> Exit:
    """Show each service with its address. The exit code is 3 when none runs, 1 when one is not
    ready.
    """
    state = running(services_folder(folder))
    if state is None:
        click.echo("not running")
        return Exit.NOT_NOW
    return Exit.DONE if _show(state) else Exit.NO


@services.command()
@dir_option
def down(folder: Path) -> None:
    """Stop the services and return when every process has ended. The stack stays up."""
    click.echo("ended" if chain_supervisor.down(folder) else "was not running")


@services.command()
@click.argument("name", type=click.Choice(NAMES), required=False)
@dir_option
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0, 1_000_000),
    default=20,
    show_default=True,
    help="number of the newest lines of each log",
)
@click.option("--follow", "-f", is_flag=True, help="go on with new lines until Ctrl-C")
def logs(name: str | None, folder: Path, lines: int, follow: bool) -> None:
    """Print the newest lines of the logs of all services, or of NAME. Logs stay after `down`."""
    there = sorted(logs_folder(folder).glob("*.log"))
    paths = [path for path in there if name in (None, path.stem)]
    if not paths:
        raise Fatal(
            what=f"there is no log of {name or 'any service'}",
            where=str(logs_folder(folder)),
            do="start the services with `riskstream local services up`",
            exit_code=Exit.NOT_NOW,
        )
    wide = max(len(path.stem) for path in paths)
    ends = {path: _print_last(path, lines, wide) for path in paths}
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(_LOOK_EVERY_S)
            ends = {path: _print_new(path, end, wide) for path, end in ends.items()}


def _print_last(path: Path, lines: int, wide: int) -> int:
    """Print the last lines; where the file ended."""
    with path.open("rb") as file:
        for line in deque(file, lines):
            _print(path, line, wide)
        return file.tell()


def _print_new(path: Path, end: int, wide: int) -> int:
    """Print what came after `end`, whole lines only; where that ended."""
    with path.open("rb") as file:
        file.seek(end)
        for line in file:
            if not line.endswith(b"\n"):
                break
            _print(path, line, wide)
            end += len(line)
    return end


def _print(path: Path, line: bytes, wide: int) -> None:
    click.echo(f"{path.stem:{wide}}  {line.decode(errors='replace').rstrip()}")


def _show(state: dict[str, Any]) -> bool:
    """Print a line a service; whether each is ready."""
    is_well = True
    for each in state["services"]:
        word = _word(each)
        is_well = is_well and word == "ready"
        click.echo(f"  {each['name']:9} {word:9} pid {each['pid']:<8} {each['telemetry']}/metrics")
        if each["ended"]:
            click.echo(f"  {'':9} {each['ended']}")
    if state["gateway"]:
        click.echo(f"  HTTP      {state['gateway']} (no key needed: --auth none)")
    click.echo(f"  logs      {Path(state['folder']) / 'logs'}")
    return is_well


def _word(service: dict[str, Any]) -> str:
    if service["ended"]:
        return "ended"
    return "ready" if is_ready(service["telemetry"]) else "not ready"
