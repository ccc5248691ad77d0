"""Rules and lists as rules.v1 and lists.v1 hold them: read, changed one record at a time."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from riskstream.cli.moments import moment
from riskstream.domain.contracts.bounds import fault_of
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import set_of
from riskstream.domain.risk.rules.book import read_book
from riskstream.domain.risk.rules.listed import Entry, entries_of, values_of
from riskstream.domain.risk.rules.rule import Rule, names_of
from riskstream.platform.adapters.named_records import Refused
from riskstream.platform.adapters.rule_records import (
    CONTRACTS,
    LISTS,
    REASONS,
    RULES,
    RuleRecords,
)
from riskstream.platform.kafka.clients.produce import put
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

MAX_LIST_BYTES = 900_000
_SCHEMA_S = 15.0
_WORDS = ("when", "action", "reason", "max_share")


@dataclass(slots=True)
class Saved:
    """`rules` and `lists` by id, as records that are right; `records` knows those that are not."""

    kafka: str
    rules: dict[str, dict[str, Any]]
    lists: dict[str, dict[str, Any]]
    records: RuleRecords

    @classmethod
    def read(cls, kafka: str) -> Self:
        """What stands there now. A record that cannot be read hides no other."""
        records = RuleRecords()
        with TopicReader(kafka, [RULES, LISTS]) as reader:
            for record in reader.until_end():
                records.take(record)
        end = time.monotonic() + _SCHEMA_S
        while records.take_unknown() and time.monotonic() < end:
            time.sleep(0.02)
        return cls(kafka, records.said(RULES), records.said(LISTS), records)

    def refused(self, scored_by: FeatureSet | None = None) -> list[Refused]:
        """What scorers refuse, each rule read for the feature set that it was checked for; also for
        theirs, where it is given.
        """
        found = self.records.refused()
        for label in sorted({rule["feature_set"] for rule in self.rules.values() if rule["is_on"]}):
            mine = [rule for rule in self.rules.values() if rule["feature_set"] == label]
            features = set_of(label)
            if features is None or features.label != label:
                found += [
                    self.records.rule_refused(
                        rule["rule_id"],
                        f"it was checked for {label}, which this version does not have",
                    )
                    for rule in mine
                    if rule["is_on"]
                ]
                continue
            book = read_book(mine, self.lists.values(), names_of(features))
            found += [self.records.rule_refused(rule_id, why) for rule_id, why in book.refused]
        if scored_by is not None:
            told = {each.key for each in found if each.reason == "rule"}
            book = read_book(
                self.rules.values(), self.lists.values(), names_of(scored_by), scored_by
            )
            by_scorers = [self.records.rule_refused(rule_id, why) for rule_id, why in book.refused]
            found += [each for each in by_scorers if each.key not in told]
        return found

    def clear(self, refused: Refused) -> bool:
        """Take a record out that is wrong: what stood under its key before is written again, else
        the key is deleted.

        True where something stood there.
        """
        key, before = self.records.key_and_value(refused)
        put(self.kafka, refused.topic, key, before, partition=refused.partition)
        return before is not None

    def entries(self) -> dict[str, list[Entry]]:
        """The values of each list, with when they end and why they are there."""
        return {name: entries_of(each) for name, each in self.lists.items()}

    def save_rule(self, rule: Rule, feature_set: str, by: str, *, is_on: bool) -> int:
        """Write a rule; its version is raised where its words changed."""
        words = {
            "when": rule.when.text,
            "action": rule.action,
            "reason": rule.reason,
            "max_share": rule.max_share,
        }
        before = self.rules.get(rule.rule_id)
        version = rule.version
        if before is not None:
            same = all(before[name] == words[name] for name in _WORDS)
            version = before["version"] if same else max(before["version"] + 1, version)
        self._write_rule(
            {
                "rule_id": rule.rule_id,
                "version": version,
                "is_on": is_on,
                "feature_set": feature_set,
                **words,
            },
            by,
        )
        return version

    def switch_off(self, rule_id: str, by: str) -> None:
        self._write_rule({**self.rules[rule_id], "is_on": False}, by)

    def save_list(self, list_id: str, entries: Iterable[Entry], by: str) -> int:
        """Write a list whole; its new version. Of a value that is there twice the last counts.
        Fatal where it is too large for a record.
        """
        before = self.lists.get(list_id)
        by_value = {each.value: each for each in entries}
        held = [by_value[value] for value in sorted(by_value)]
        record = {
            "list_id": list_id,
            "version": before["version"] + 1 if before else 1,
            "changed_at": _now_ms(),
            "changed_by": by,
            **values_of(held),
        }
        frame = codec("list.v1").encode(record)
        if len(frame) > MAX_LIST_BYTES:
            raise Fatal(
                what=f"list {list_id} has {len(frame):,} bytes, {MAX_LIST_BYTES:,} are allowed",
                where=LISTS,
                do="split it",
                exit_code=Exit.INPUT,
            )
        self._send(LISTS, list_id, record, frame)
        self.lists[list_id] = record
        return int(str(record["version"]))

    def _write_rule(self, record: dict[str, Any], by: str) -> None:
        record = {**record, "changed_at": _now_ms(), "changed_by": by}
        self._send(RULES, record["rule_id"], record, codec("rule.v1").encode(record))
        self.rules[record["rule_id"]] = record

    def _send(self, topic: str, key: str, record: dict[str, Any], frame: bytes) -> None:
        if why := fault_of(CONTRACTS[topic], record):
            raise Fatal(
                what=f"{key[:80]}: {why}",
                where=topic,
                do="make it shorter; nothing was written",
                exit_code=Exit.INPUT,
            )
        put(self.kafka, topic, key.encode(), frame)


def said(refused: Refused) -> str:
    """In a line: which record is wrong, why, and what to do."""
    return f"refused: {refused.place} key {refused.key!r}: {refused.why}: {REASONS[refused.reason]}"


def changed(record: dict[str, Any]) -> str:
    """In words: when a rule or list was last saved, and by whom."""
    return f"changed {moment(record['changed_at'])} by {record['changed_by'] or 'nobody named'}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
