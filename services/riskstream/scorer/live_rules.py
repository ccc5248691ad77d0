"""Rules and lists from their topics into a running scorer."""

import structlog

from riskstream.contracts.codec import codec
from riskstream.kafka.table import Table, TableFollower, TopicFollower
from riskstream.risk.features.declare import FeatureSet
from riskstream.risk.rules.book import read_book
from riskstream.risk.rules.rule import names_of
from riskstream.runtime.errors import Rejected
from riskstream.scorer.core import ScorerCore
from riskstream.telemetry.metrics import LaneMetrics

log = structlog.get_logger("rules")
RULES, LISTS = "rules.v1", "lists.v1"


def follow_rules(kafka: str, features: FeatureSet, core: ScorerCore, metrics: LaneMetrics) -> TopicFollower:
    """A follower, started, that hands each new book to the core. Retryable where Kafka does not answer in half a minute."""
    names = names_of(features)

    def on_change(table: Table) -> None:
        records: dict[str, list[dict[str, object]]] = {RULES: [], LISTS: []}
        for (topic, key), value in table.items():
            try:
                records[topic].append(codec("rule.v1" if topic == RULES else "list.v1").decode(value))
            except Rejected as error:
                log.error(
                    "a record cannot be read and is left out",
                    topic=topic,
                    key=key.decode("utf-8", "replace"),
                    why=str(error),
                )
        book = read_book(records[RULES], records[LISTS], names)
        for rule_id, why in book.refused:
            log.error("a rule is left out", rule=rule_id, why=why)
        metrics.rules_on.set(len(book.rules))
        metrics.rules_refused.set(len(book.refused))
        if book.version != core.next_rules.version:
            log.info("rules", version=book.version, on=[rule.rule_id for rule in book.rules])
            core.next_rules = book

    follower = TableFollower(kafka, [RULES, LISTS], on_change)
    follower.start()
    return follower
