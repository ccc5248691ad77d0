"""Rules and lists from their topics into a running scorer."""

import time
from collections import Counter
from collections.abc import Callable

import structlog

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.rules.book import RuleBook, read_book
from riskstream.domain.risk.rules.rule import names_of
from riskstream.platform.adapters.named_records import Refused
from riskstream.platform.adapters.rule_records import (
    CONTRACTS,
    LISTS,
    REASONS,
    RULES,
    RuleRecords,
)
from riskstream.platform.kafka.clients.table import TopicFollower
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import InForceMetrics
from riskstream.scorer.decider import Decider

log = structlog.get_logger("rules")
_SCHEMA_S = 3.0
"""How long a change waits for the schemas of its records before the others are acted on without
them.
"""
_MAX_TOLD = 10_000


class LiveRules:
    """A follower's sink: `use` gets each new book, the metrics what is on and what is refused, the
    log each refusal once.
    """

    def __init__(
        self, features: FeatureSet, use: Callable[[RuleBook], None], metrics: InForceMetrics
    ) -> None:
        self._features, self._names = features, names_of(features)
        self._use, self._metrics = use, metrics
        self._records = RuleRecords()
        self._version = ""
        self._told: set[Refused] = set()
        self._waited_for: set[str] = set()
        for topic in CONTRACTS:
            for reason in REASONS:
                metrics.rules_refused.labels(topic=topic, reason=reason).set(0)

    def begin(self) -> None:
        self._records = RuleRecords()

    def take(self, record: Record) -> None:
        self._records.take(record)

    def settle(self) -> bool:
        """Act on all that is right; False while the schema of a record is not known."""
        self._wait_for_schemas()
        rules, lists = self._records.said(RULES).values(), self._records.said(LISTS).values()
        book = read_book(rules, lists, self._names, self._features)
        refused = [
            *self._records.refused(),
            *(self._records.rule_refused(*each) for each in book.refused),
        ]
        self._tell(refused)
        self._metrics.rules_on.set(len(book.rules))
        if book.version != self._version:
            log.info("rules", version=book.version, on=[rule.rule_id for rule in book.rules])
            self._use(book)
            self._version = book.version
        return not self._records.has_unknown

    def _wait_for_schemas(self) -> None:
        """A while, and once for each schema: a registry that is away must not delay other changes
        again and again.
        """
        end = time.monotonic() + _SCHEMA_S
        while waits := [
            each for each in self._records.take_unknown() if each.what not in self._waited_for
        ]:
            if time.monotonic() > end:
                self._waited_for |= {each.what for each in waits}
                return
            time.sleep(0.02)

    def _tell(self, refused: list[Refused]) -> None:
        counts = Counter((each.topic, each.reason) for each in refused)
        for topic in CONTRACTS:
            for reason in REASONS:
                self._metrics.rules_refused.labels(topic=topic, reason=reason).set(
                    counts[topic, reason]
                )
        if len(self._told) > _MAX_TOLD:
            self._told.clear()
        for each in refused:
            if each not in self._told:
                log.error(
                    "a record is refused and not acted on",
                    topic=each.topic,
                    partition=each.partition,
                    offset=each.offset,
                    key=each.key,
                    reason=each.reason,
                    why=each.why,
                    do=REASONS[each.reason],
                )
        self._told |= set(refused)


def follow_rules(
    kafka: str, features: FeatureSet, decider: Decider, metrics: InForceMetrics
) -> TopicFollower:
    """A follower, started, that hands each new book to the decider. Retryable where Kafka does not
    answer in half a minute.
    """

    def use(book: RuleBook) -> None:
        decider.next_rules = book

    follower = TopicFollower(kafka, [RULES, LISTS], LiveRules(features, use, metrics))
    follower.start()
    return follower
