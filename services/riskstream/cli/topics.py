"""`riskstream topics plan|apply`."""

import click

from riskstream.cli.options import kafka_option
from riskstream.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.kafka.admin import Step, TopicAdmin

partitions_option = click.option(
    "--partitions",
    type=click.IntRange(1, 1000),
    help=f"partitions of new topics [default: as the cluster has, else {DEFAULT_PARTITIONS}]",
)


@click.group()
def command() -> None:
    """Topics as code: what topics/ declares against what the cluster has."""


@command.command()
@kafka_option
@partitions_option
def plan(kafka: str, partitions: int | None) -> int:
    """Show what apply would do; exit code 0 when nothing, 2 when something."""
    admin = TopicAdmin(kafka)
    steps = admin.plan(list(topics().values()), partitions or _existing(admin))
    _show(steps)
    return 2 if steps else 0


@command.command()
@kafka_option
@partitions_option
def apply(kafka: str, partitions: int | None) -> None:
    """Make missing topics and set declared configuration; never delete a topic or change a partition count."""
    admin = TopicAdmin(kafka)
    _show(admin.apply(list(topics().values()), partitions or _existing(admin)))


def _existing(admin: TopicAdmin) -> int:
    found = admin.partitions()
    return next((found[name] for name in topics() if name in found), DEFAULT_PARTITIONS)


def _show(steps: list[Step]) -> None:
    for step in steps:
        click.echo(f"{step.action:8} {step.topic:22} {step.detail}")
    click.echo(f"{len(steps)} steps" if steps else "nothing to do")
