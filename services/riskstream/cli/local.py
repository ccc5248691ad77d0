"""`riskstream local up|status|down|services`."""

from pathlib import Path

import click

from riskstream.cli.local_services import services
from riskstream.cli.options import dir_option
from riskstream.runtime.exits import Exit
from riskstream.runtime.local_stack import running
from riskstream.workbench.local import chain_supervisor, supervisor


@click.group()
def command() -> None:
    """Run a real Kafka, a real Redis and the services on this machine, without root and without
    Docker.
    """


command.add_command(services)


@command.command()
@dir_option
@click.option(
    "--brokers",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="number of Kafka brokers",
)
@click.option(
    "--kafka-port",
    type=click.IntRange(1, 65535),
    help="port of the first broker [default: any free port]",
)
@click.option(
    "--redis-port", type=click.IntRange(1, 65535), help="port of Redis [default: any free port]"
)
@click.option("--kafka", metavar="ADDR", help="use this Kafka instead of starting one")
@click.option("--redis", metavar="URL", help="use this Redis instead of starting one")
@click.option(
    "--min-free-mib",
    type=int,
    default=1024,
    show_default=True,
    help="refuse to start with less free disk than this, MiB",
)
def up(
    folder: Path,
    brokers: int,
    kafka_port: int | None,
    redis_port: int | None,
    kafka: str | None,
    redis: str | None,
    min_free_mib: int,
) -> None:
    """Start the stack and return when it is healthy. A stack that runs already is used as it is."""
    wanted = {
        "brokers": brokers,
        "kafka_port": kafka_port,
        "redis_port": redis_port,
        "kafka": kafka,
        "redis": redis,
        "min_free_mib": min_free_mib,
    }
    state, was_running = supervisor.up(folder, wanted, click.echo)
    click.echo("already running" if was_running else "running")
    _show(state)


@command.command()
@dir_option
def status(folder: Path) -> Exit:
    """Show the addresses. The exit code is 3 when nothing runs."""
    state = running(folder)
    if state is None:
        click.echo("not running")
        return Exit.NOT_NOW
    _show(state)
    return Exit.DONE


@command.command()
@dir_option
@click.option("--wipe", is_flag=True, help="delete data and logs too")
def down(folder: Path, wipe: bool) -> None:
    """Stop the services and the stack, and return when every process has ended."""
    if chain_supervisor.down(folder):
        click.echo("services ended")
    click.echo("ended" if supervisor.down(folder, wipe=wipe) else "was not running")


def _show(state: dict[str, object]) -> None:
    for name in ("kafka", "redis", "folder", "pid"):
        click.echo(f"  {name:7} {state[name]}")
