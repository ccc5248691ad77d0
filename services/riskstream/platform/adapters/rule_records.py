"""What rules.v1 and lists.v1 say, record by record: the newest that is right of each key, and those
that are refused, with why.
"""

from typing import Any

from riskstream.domain.risk.rules import listed
from riskstream.platform.adapters.named_records import (
    SHOWN_KEY,
    NamedRecords,
    Refused,
    read_named,
)
from riskstream.platform.kafka.record import Record

RULES, LISTS = "rules.v1", "lists.v1"
CONTRACTS = {RULES: "rule.v1", LISTS: "list.v1"}
_IDS = {RULES: "rule_id", LISTS: "list_id"}

REASONS = {
    "unreadable": "write what it was meant to say again",
    "schema": (
        "apply the topics, or register the schema it was written by; it is looked at again by "
        "itself"
    ),
    "too_large": "write less into it: no rule or list is that large",
    "bounds": "write it again within the bounds of its contract",
    "key": "write it again under its own name",
    "rule": "correct the rule and switch it on again, or switch it off",
}
"""Why a record is refused, and what to do for it; `rule`: the record is right, and what it says
cannot be done.
"""


class RuleRecords(NamedRecords):
    """Records of rules.v1 and lists.v1."""

    def read(self, record: Record) -> dict[str, Any]:
        name = CONTRACTS[record.topic]
        is_list = record.topic == LISTS
        return read_named(
            record, name, _IDS[record.topic], listed.fault_of if is_list else lambda _: None
        )

    def said(self, topic: str) -> dict[str, dict[str, Any]]:
        """By name what is in force: the records as they were decoded."""
        return {str(each[_IDS[topic]]): each for each in self.in_force(topic)}

    def rule_refused(self, rule_id: str, why: str) -> Refused:
        """Of a rule that is right as a record, and cannot be acted on."""
        entry = self._entries[RULES, rule_id.encode()]
        return Refused(
            topic=RULES,
            partition=entry.partition,
            offset=entry.offset,
            key=rule_id[:SHOWN_KEY],
            reason="rule",
            why=why,
        )

    def key_and_value(self, wanted: Refused) -> tuple[bytes, bytes | None]:
        """The key of a refused record, and what stood under it before: None where nothing did that
        is right.
        """
        return next(
            (key, entry.frame)
            for (topic, key), entry in self._entries.items()
            if topic == wanted.topic and entry.refused is wanted
        )
