"""`riskstream dlq list|show|redrive`."""

import json
from collections import Counter
from collections.abc import Container

import click
import numpy as np

from riskstream.cli.options import base_currency_option, kafka_option
from riskstream.cli.tail import shown
from riskstream.contracts.columns import ColumnDecoder
from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.currency import check_currency
from riskstream.kafka.dead_letters import DeadLetter, read_dead_letters, redrive
from riskstream.risk import validity
from riskstream.risk.judge import Judge, Keys, LabelJudge
from riskstream.runtime.clock import SystemClock
from riskstream.runtime.errors import Fatal

topic_option = click.option("--topic", default="transactions.v1.dlq", show_default=True, help="dead-letter topic")
reason_option = click.option("--reason", help="only letters with this reason (docs/rejects.md)")
_AT_ONCE = 1000


@click.group()
def command() -> None:
    """Dead letters, counted once by source position: list, look at, send again."""


@command.command("list")
@kafka_option
@topic_option
@reason_option
@click.option("--positions", is_flag=True, help="a line each letter")
def list_letters(kafka: str, topic: str, reason: str | None, positions: bool) -> None:
    """Count the dead letters by reason."""
    letters = [each for each in read_dead_letters(kafka, topic) if reason in (None, each.reason)]
    if positions:
        for each in letters:
            click.echo(f"{each.position:>14}  {each.reason:26} {each.detail}")
    else:
        for name, count in Counter(each.reason for each in letters).most_common():
            click.echo(f"{count:>10,}  {name}")
    click.echo(f"{len(letters):,} dead letters")


@command.command()
@click.argument("position")
@kafka_option
@topic_option
def show(position: str, kafka: str, topic: str) -> None:
    """Print the letter of a source position (PARTITION:OFFSET) as JSON, its bytes as base64."""
    for each in read_dead_letters(kafka, topic):
        if each.position == position:
            click.echo(json.dumps(shown(each.record), indent=2))
            return
    raise Fatal(
        what=f"no dead letter of {position}", where=topic, do="see `riskstream dlq list --positions`", exit_code=2
    )


@command.command("redrive")
@click.argument("positions", nargs=-1)
@kafka_option
@topic_option
@reason_option
@click.option("--all", "everything", is_flag=True, help="every letter that was not redriven yet")
@click.option("--again", is_flag=True, help="also those that were redriven before")
@base_currency_option
def redrive_letters(
    positions: tuple[str, ...], kafka: str, topic: str, reason: str | None, everything: bool, again: bool,
    base_currency: str,
) -> None:  # fmt: skip
    """Send letters to their source again, byte for byte, in one transaction; each position once unless --again.

    Give source positions (PARTITION:OFFSET), --reason or --all. With --reason or --all, letters that this version would
    reject again, and those whose source is no topic here, are left.
    """
    if not (positions or reason or everything):
        raise click.UsageError("give positions, --reason or --all")
    check_currency(kafka, base_currency)
    letters = read_dead_letters(kafka, topic)
    if missing := sorted(set(positions) - {each.position for each in letters}):
        raise Fatal(
            what=f"no dead letter of {', '.join(missing)}, and nothing was redriven", where=topic,
            do="see `riskstream dlq list --positions`", exit_code=2,
        )  # fmt: skip
    wanted = [each for each in letters if reason in (None, each.reason)]
    if positions:
        wanted = [each for each in wanted if each.position in positions]
        poison = set()
    else:
        wanted = [each for each in wanted if not each.is_cut]
        wanted = _with_source(wanted, TopicAdmin(kafka).partitions())
        poison = rejected_again(wanted, SystemClock().now_ms(), base_currency)
    chosen = {each.position for each in wanted} - poison
    now, before = redrive(kafka, topic, lambda letter: letter.position in chosen, again=again)
    left = f", {len(poison):,} left: they would be rejected again" if poison else ""
    click.echo(f"{len(now):,} redriven, {len(before):,} left: they were before{left}")


def _with_source(letters: list[DeadLetter], there: Container[str]) -> list[DeadLetter]:
    """Those whose source is a topic here. A sentence says how many are not: somebody else wrote them, or it was deleted."""
    nowhere = Counter(each.topic for each in letters if each.topic not in there)
    for name, count in sorted(nowhere.items()):
        click.echo(f"{count:,} left out: they name the source {name[:80]!r}, and there is no such topic", err=True)
    return [each for each in letters if each.topic in there]


def rejected_again(letters: list[DeadLetter], now_ms: int, base_currency: str = "EUR") -> set[str]:
    """Positions of the transactions and labels that this version would reject if they were appended now."""
    of_transactions = [each for each in letters if each.topic == "transactions.v1"]
    of_labels = [each for each in letters if each.topic == "labels.v1"]
    found: set[str] = set()
    for start in range(0, len(of_labels), _AT_ONCE):
        some = of_labels[start : start + _AT_ONCE]
        decoder = ColumnDecoder("label.v1")
        columns = decoder.decode_known([each.record.value for each in some])
        rejected = LabelJudge(decoder.layout, base_currency).rejected(columns)
        found |= {some[row].position for row, _ in rejected}
    for start in range(0, len(of_transactions), _AT_ONCE):
        some = of_transactions[start : start + _AT_ONCE]
        decoder = ColumnDecoder("transaction.v1")
        columns = decoder.decode([each.record.value for each in some])
        keys = Keys.of([each.record.key for each in some])
        reject = Judge(decoder.layout, base_currency).judge(columns, keys, np.full(len(some), now_ms))
        bad = (columns.status != 0) | (reject != 0)
        found |= {some[index].position for index in np.flatnonzero(bad).tolist()}
        found |= {each.position for each in some if each.reason == validity.REASONS[validity.ID_REUSED]}
    return found
