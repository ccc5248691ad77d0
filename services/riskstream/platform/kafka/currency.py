"""The base currency of an installation, on record in owners.v1: what was summed in one is never
gone on with in another.
"""

from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.claims import OWNERS, Claims, first_of
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.tails import newest_records
from riskstream.runtime.errors import Fatal, Rejected
from riskstream.runtime.exits import Exit

SUBJECT = "money base_currency"
_SUMMED = ("scores.v1", "customer-risk.v1", "profile-events.v1")
"""Topics that hold amounts which were or will be summed."""


def prove_currency(kafka: str, currency: str, written: str, contract: str) -> None:
    """Put the base currency on record at the first start; Fatal where the installation has another
    one.

    On a cluster of before, which has none on record, the newest records of topic `written` (of
    `contract`) must not all be in another currency.
    """
    claims = Claims(kafka)
    held = claims.of(SUBJECT)
    if held is None:
        found = _currencies(kafka, written, contract)
        if found and currency not in found:
            raise Fatal(
                what=f"the newest amounts of {written} are in {' and '.join(sorted(found))}, "
                f"base_currency is {currency}",
                where=kafka,
                do="give the base_currency that was used until now, or run `riskstream "
                f"topics currency --to {currency}`",
                exit_code=Exit.INPUT,
            )
        held = claims.take(SUBJECT, currency)
    _refuse_another(kafka, currency, held.holder)


def check_currency(kafka: str, currency: str) -> None:
    """Fatal where a command works in another base currency than the installation has on record."""
    held = Claims(kafka).of(SUBJECT) if OWNERS in TopicAdmin(kafka).partitions() else None
    if held is not None:
        _refuse_another(kafka, currency, held.holder)


def change_currency(kafka: str, currency: str) -> str | None:
    """Put another base currency on record; the one before. Fatal where amounts stand in topics, or
    a process of ours runs.
    """
    claims, admin = Claims(kafka), TopicAdmin(kafka)
    held = first_of(claims.all())
    before = held[SUBJECT].holder if SUBJECT in held else None
    if before == currency:
        return before
    counts, running = admin.partitions(), admin.groups_by_members()
    for group in sorted(
        {each.holder for subject, each in held.items() if subject.startswith("topic ")}
    ):
        if running.get(group, False):
            raise Fatal(
                what=f"processes of group {group} still run",
                where=kafka,
                do="stop every service first",
                exit_code=Exit.INPUT,
            )
    for topic in _SUMMED if before else ():
        if topic in counts and any(admin.end_offsets(topic, counts[topic])):
            raise Fatal(
                what=f"{topic} holds amounts in {before}",
                where=kafka,
                do="begin with topics and a Redis of their own (docs/money.md)",
                exit_code=Exit.INPUT,
            )
    claims.hand_over(SUBJECT, currency)
    return before


def _currencies(kafka: str, topic: str, contract: str) -> set[str]:
    """Base currencies of the newest records; unreadable and rejected ones say none."""
    found: set[str] = set()
    for record in newest_records(kafka, topic):
        try:
            found.add(codec(contract).decode(record.value)["base_currency"] or "")
        except Rejected:
            continue
    return found - {""}


def _refuse_another(kafka: str, given: str, held: str) -> None:
    if given != held:
        raise Fatal(
            what=f"amounts of this installation are in {held}, base_currency is {given}",
            where=kafka,
            do=f"give base_currency {held}: another one needs topics and a Redis of its own "
            "(docs/money.md)",
            exit_code=Exit.INPUT,
        )
