"""`riskstream dlq list|show|redrive`."""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator

import click
import numpy as np

from riskstream.cli.options import base_currency_option, kafka_option
from riskstream.cli.progress import bar
from riskstream.cli.tail import shown
from riskstream.domain.contracts.catalog import topics
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk import validity
from riskstream.domain.risk.judge import Judge, Keys, LabelJudge
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.currency import check_currency
from riskstream.platform.kafka.dead_letters import DeadLetter, read_dead_letters, redrive
from riskstream.platform.kafka.rejects import REASON_TEXT
from riskstream.runtime.clock import SystemClock
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.words import count_of


def _letters_topic(_context: click.Context, _option: click.Parameter, topic: str) -> str:
    """The topic; Fatal where it is one of ours that holds something else. Scorers may be given one
    of another name.
    """
    if (known := topics().get(topic)) is not None and known.source is None:
        ours = ", ".join(each.name for each in topics().values() if each.source is not None)
        raise Fatal(
            what="it holds no dead letters",
            where=topic,
            do=f"give one of {ours}",
            exit_code=Exit.INPUT,
        )
    return topic


topic_option = click.option(
    "--topic",
    default="transactions.v1.dlq",
    show_default=True,
    help="dead-letter topic",
    callback=_letters_topic,
)
reason_option = click.option(
    "--reason", help="only dead letters with this reject reason (docs/rejects.md)"
)
_AT_ONCE, _AT_ONCE_BYTES = 1000, 16_000_000


@click.group()
def command() -> None:
    """List, show and resend dead letters: records that were rejected. Each source position counts
    once.
    """


@command.command("list")
@kafka_option
@topic_option
@reason_option
@click.option("--positions", is_flag=True, help="print one line per dead letter")
def list_letters(kafka: str, topic: str, reason: str | None, positions: bool) -> None:
    """Count the dead letters by reason. With --positions, print each one."""
    counts: Counter[str] = Counter()
    there: set[str] = set()
    # where each is printed, that is its progress
    for each in read_dead_letters(kafka, topic) if positions else _read(kafka, topic):
        there.add(each.reason)
        if reason in (None, each.reason):
            counts[each.reason] += 1
            if positions:
                click.echo(f"{each.position:>14}  {each.reason:26} {each.detail}")
    if reason and not counts and reason not in REASON_TEXT:
        told = ", ".join(sorted(there)) or "no letters at all"
        raise Fatal(
            what=f"no reason {reason}",
            where=topic,
            do=f"see docs/rejects.md; there are {told}",
            exit_code=Exit.INPUT,
        )
    if not positions:
        for name, count in counts.most_common():
            click.echo(f"{count:>10,}  {name}")
    click.echo(count_of(counts.total(), "dead letter"))


@command.command()
@click.argument("position")
@kafka_option
@topic_option
def show(position: str, kafka: str, topic: str) -> None:
    """Print the dead letter of one source position (PARTITION:OFFSET) as JSON. Its bytes are
    base64.
    """
    for each in _read(kafka, topic):
        if each.position == position:
            click.echo(json.dumps(shown(each.record), indent=2))
            return
    raise Fatal(
        what=f"no dead letter of {position}",
        where=topic,
        do="see `riskstream dlq list --positions`",
        exit_code=Exit.INPUT,
    )


@command.command("redrive")
@click.argument("positions", nargs=-1)
@kafka_option
@topic_option
@reason_option
@click.option(
    "--all", "everything", is_flag=True, help="every dead letter that was not sent again yet"
)
@click.option("--again", is_flag=True, help="also dead letters that were sent again before")
@base_currency_option
def redrive_letters(
    positions: tuple[str, ...],
    kafka: str,
    topic: str,
    reason: str | None,
    everything: bool,
    again: bool,
    base_currency: str,
) -> None:
    """Send dead letters to their source topic again, byte for byte, in one Kafka transaction.

    Give source positions (PARTITION:OFFSET), --reason or --all. A position is sent once unless you
    give --again. With --reason or --all, letters that would be rejected again, or whose source
    topic does not exist, are left out.
    """
    if not (positions or reason or everything):
        raise Fatal(
            what="no dead letter is named",
            where="command line",
            do="give positions, --reason or --all",
            exit_code=Exit.INPUT,
        )
    check_currency(kafka, base_currency)
    letters = (each for each in _read(kafka, topic) if positions or reason in (None, each.reason))
    poison = 0
    if positions:
        chosen = _asked_for(letters, positions, reason, topic)
    else:
        chosen, poison = _worth_sending(letters, TopicAdmin(kafka).partitions(), base_currency)
    with bar("redrive", None):
        now, before = redrive(kafka, topic, lambda letter: letter.position in chosen, again=again)
    left = f", {poison:,} left out because they would be rejected again" if poison else ""
    click.echo(f"{now:,} sent, {before:,} skipped because they were sent earlier{left}")


def _read(kafka: str, topic: str) -> Iterator[DeadLetter]:
    """Every dead letter, with its progress on stderr."""
    with bar("dead letters", None) as advance:
        for each in read_dead_letters(kafka, topic):
            yield each
            advance(1)


def _asked_for(
    letters: Iterable[DeadLetter], positions: tuple[str, ...], reason: str | None, topic: str
) -> set[str]:
    """Those of some positions that have the reason; Fatal where one of them is no letter's."""
    asked = set(positions)
    found = {each.position: each.reason for each in letters if each.position in asked}
    if missing := sorted(asked - found.keys()):
        raise Fatal(
            what=f"no dead letter of {', '.join(missing)}, and nothing was redriven",
            where=topic,
            do="see `riskstream dlq list --positions`",
            exit_code=Exit.INPUT,
        )
    return {position for position, why in found.items() if reason in (None, why)}


def _worth_sending(
    letters: Iterable[DeadLetter], there: Container[str], base_currency: str
) -> tuple[set[str], int]:
    """Positions of the letters that are whole, whose source is a topic here, and that this version
    would not reject again.

    And how many it would. A sentence says how many have no source: somebody else wrote them, or it
    was deleted.
    """
    nowhere: Counter[str] = Counter()
    chosen: set[str] = set()
    poison, now_ms = 0, SystemClock().now_ms()
    for some in _parts(each for each in letters if not each.is_cut):
        nowhere.update(each.topic for each in some if each.topic not in there)
        mine = [each for each in some if each.topic in there]
        bad = rejected_again(mine, now_ms, base_currency)
        poison += len(bad)
        chosen |= {each.position for each in mine} - bad
    for name, count in sorted(nowhere.items()):
        click.echo(
            f"{count:,} left out: they name the source {name[:80]!r}, and there is no such topic",
            err=True,
        )
    return chosen, poison


def _parts(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """Some letters at a time, so that their bodies fit into memory."""
    some: list[DeadLetter] = []
    size = 0
    for each in letters:
        some.append(each)
        size += len(each.record.value or b"")
        if len(some) == _AT_ONCE or size > _AT_ONCE_BYTES:
            yield some
            some, size = [], 0
    yield some


def rejected_again(letters: list[DeadLetter], now_ms: int, base_currency: str = "EUR") -> set[str]:
    """Positions of the transactions and labels that this version would reject if they were appended
    now.
    """
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
        reject = Judge(decoder.layout, base_currency).judge(
            columns, keys, np.full(len(some), now_ms)
        )
        bad = (columns.status != 0) | (reject != 0)
        found |= {some[index].position for index in np.flatnonzero(bad).tolist()}
        found |= {
            each.position for each in some if each.reason == validity.REASONS[validity.ID_REUSED]
        }
    return found
