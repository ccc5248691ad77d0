"""`riskstream topics plan|apply`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from riskstream.cli.options import currency_code, kafka_option
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.platform.kafka.claims import Claims, first_of, subjects_of
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.topic_steps import Safety, Step
from riskstream.platform.kafka.currency import SUBJECT, change_currency
from riskstream.platform.kafka.schemas import SCHEMAS, publish
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of


def topic_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What both commands take of topics that are to be made, or that are there."""
    for option in (
        click.option(
            "--min-isr",
            type=click.IntRange(1, 100),
            help="copies that must hold a record before Kafka acknowledges it [default: copies "
            "minus one]",
        ),
        click.option(
            "--replication-factor",
            type=click.IntRange(1, 100),
            help="copies of each topic [default: 3, or one per broker if there are fewer; "
            "existing extra copies stay]",
        ),
        click.option(
            "--partitions",
            type=click.IntRange(1, 1000),
            help="partitions of new topics [default: the number that existing topics have, "
            f"else {DEFAULT_PARTITIONS}]",
        ),
        kafka_option,
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Compare the topics that topics/ declares with those of the cluster, and create what is
    missing.
    """


@command.command()
@topic_options
def plan(
    kafka: str, partitions: int | None, replication_factor: int | None, min_isr: int | None
) -> Exit:
    """Show what apply would do. The exit code is 0 when nothing differs, 2 when something does."""
    admin, safety = TopicAdmin(kafka), _safety(replication_factor, min_isr)
    steps = admin.plan(list(topics().values()), partitions or _existing(admin), safety)
    _show(steps)
    return Exit.INPUT if steps else Exit.DONE


@command.command()
@topic_options
def apply(
    kafka: str, partitions: int | None, replication_factor: int | None, min_isr: int | None
) -> None:
    """Create missing topics and set the declared configuration.

    It never deletes a topic, changes a partition count or moves copies. The exit code is 2 if
    something still differs.
    """
    admin, safety = TopicAdmin(kafka), _safety(replication_factor, min_isr)
    steps = admin.apply(list(topics().values()), partitions or _existing(admin), safety)
    _show(steps)
    if new := publish(kafka):
        click.echo(f"{count_of(new, 'schema')} published in {SCHEMAS}")
    if left := [step for step in steps if step.action == "differs"]:
        raise Fatal(
            what=f"apply never changes {len(left)} of the differences above, the first in topic "
            f"{left[0].topic}",
            where=kafka,
            do="do what each line above says, or give the values that the cluster has",
            exit_code=Exit.INPUT,
        )


@command.command()
@kafka_option
def owners(kafka: str) -> None:
    """Show which consumer group may write each output topic, and which Redis holds each group's
    state.
    """
    admin = TopicAdmin(kafka)
    held = first_of(Claims(kafka).all())
    there = admin.partitions()
    shown = 0
    for subject, claim in sorted(held.items()):
        kind, name, *rest = subject.split(" ")
        if kind not in ("state", "money") and (
            name not in there or admin.topic_ids([name])[name] != rest[0]
        ):
            continue  # of a topic that was deleted
        since = datetime.fromtimestamp(claim.claimed_at / 1000, UTC).strftime(
            "%Y-%m-%d %H:%M:%S UTC"
        )
        click.echo(f"{kind:6} {name:28} {claim.holder:34} since {since}")
        shown += 1
    click.echo(count_of(shown, "owner"))


@command.command()
@click.option("--to", "wanted", metavar="CODE", help="record this currency as the base currency")
@kafka_option
def currency(wanted: str | None, kafka: str) -> None:
    """Show the recorded base currency. With --to, record one; refused once amounts were summed in
    another.
    """
    if wanted is None:
        held = Claims(kafka).of(SUBJECT)
        click.echo(
            f"base currency {held.holder}"
            if held
            else "no base currency is on record: the first service puts its own there"
        )
        return
    before = change_currency(kafka, currency_code(wanted))
    click.echo(
        f"base currency {wanted}" + (f", {before} before" if before not in (None, wanted) else "")
    )


@command.command("hand-over")
@click.argument("topic")
@click.option(
    "--to", "group", required=True, help="consumer group that writes the topic from now on"
)
@kafka_option
def hand_over(topic: str, group: str, kafka: str) -> None:
    """Give an output topic to another consumer group. Stop every process of the present group
    first.
    """
    admin = TopicAdmin(kafka)
    if topic not in admin.partitions():
        raise Fatal(
            what=f"no topic {topic}",
            where=kafka,
            do="see `riskstream topics owners`",
            exit_code=Exit.INPUT,
        )
    claims = Claims(kafka)
    stand = claims.all()
    held = first_of(stand)
    subjects = subjects_of(admin, topic, stand)
    before = sorted({held[each].holder for each in subjects if each in held})
    if before == [group]:
        click.echo(f"{topic} belongs to {group} already")
        return
    running = admin.groups_by_members()
    if still := [each for each in before if each != group and running.get(each, False)]:
        raise Fatal(
            what=f"processes of group {still[0]} still run, and {topic} is theirs",
            where=kafka,
            do="stop them, wait until `riskstream topics hand-over` agrees, then start those "
            "of the other group",
            exit_code=Exit.INPUT,
        )
    for subject in subjects:
        claims.hand_over(subject, group)
    click.echo(
        f"{topic} belongs to {group} now" + (f", to {', '.join(before)} before" if before else "")
    )


def _safety(replication_factor: int | None, min_isr: int | None) -> Safety | None:
    if replication_factor is not None:
        return Safety.of(replication_factor, min_isr)
    if min_isr is not None:
        raise Fatal(
            what="--min-isr says nothing without --replication-factor",
            where="command line",
            do="give both",
            exit_code=Exit.INPUT,
        )
    return None


def _existing(admin: TopicAdmin) -> int:
    found = admin.partitions()
    return next((found[name] for name in topics() if name in found), DEFAULT_PARTITIONS)


def _show(steps: list[Step]) -> None:
    for step in steps:
        click.echo(f"{step.action:8} {step.topic:22} {step.detail}")
    click.echo(count_of(len(steps), "step") if steps else "nothing to do")
