"""The rules that the ladder knows: those of rules.v1 that are on and that a transaction alone can
answer.
"""

from collections.abc import Callable

import structlog

from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.rules.book import RuleBook, read_book
from riskstream.domain.risk.rules.rule import names_alone
from riskstream.platform.adapters.rule_records import LISTS, RULES, RuleRecords
from riskstream.platform.kafka.clients.table import TopicFollower
from riskstream.platform.kafka.record import Record

log = structlog.get_logger("rules")


class LadderRules:
    """A follower's sink: `use` gets each new book. Rules that name a feature or the score are left
    out, as they are not known without one; what scorers refuse, they tell.
    """

    def __init__(self, use: Callable[[RuleBook], None]) -> None:
        self._use, self._names = use, names_alone(SETS.values())
        self._records = RuleRecords()
        self._version: str | None = None

    def begin(self) -> None:
        self._records = RuleRecords()

    def take(self, record: Record) -> None:
        self._records.take(record)

    def settle(self) -> bool:
        """Use what is right; False while the schema of a record is not known."""
        self._records.take_unknown()
        rules, lists = self._records.said(RULES).values(), self._records.said(LISTS).values()
        book = read_book(rules, lists, self._names)
        if book.version != self._version:
            log.info(
                "rules of the ladder",
                version=book.version,
                on=[rule.rule_id for rule in book.rules],
                need_a_score=[rule_id for rule_id, _ in book.refused],
            )
            self._use(book)
            self._version = book.version
        return not self._records.has_unknown


def follow_rules(kafka: str, use: Callable[[RuleBook], None]) -> TopicFollower:
    """A follower, started: it does not wait until the rules are read. Until then the ladder decides
    by amounts alone.
    """
    follower = TopicFollower(kafka, [RULES, LISTS], LadderRules(use))
    follower.begin()
    return follower
