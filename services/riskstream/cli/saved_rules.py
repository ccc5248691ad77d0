"""Rules and lists as rules.v1 and lists.v1 hold them: read, changed one record at a time."""

import time
from dataclasses import dataclass
from typing import Any, Self

from riskstream.contracts.codec import codec
from riskstream.kafka.produce import put
from riskstream.kafka.table import read_table
from riskstream.risk.rules.rule import Rule
from riskstream.runtime.errors import Fatal

RULES, LISTS = "rules.v1", "lists.v1"
MAX_LIST_BYTES = 900_000
_WORDS = ("when", "action", "reason", "max_share")


@dataclass(slots=True)
class Saved:
    """`rules` and `lists` by id, as records."""

    kafka: str
    rules: dict[str, dict[str, Any]]
    lists: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, kafka: str) -> Self:
        rules, lists = {}, {}
        for (topic, _), value in sorted(read_table(kafka, [RULES, LISTS]).items()):
            if topic == RULES:
                rule = codec("rule.v1").decode(value)
                rules[rule["rule_id"]] = rule
            else:
                held = codec("list.v1").decode(value)
                lists[held["list_id"]] = held
        return cls(kafka, rules, lists)

    def values(self) -> dict[str, list[str]]:
        return {name: each["values"] for name, each in self.lists.items()}

    def save_rule(self, rule: Rule, feature_set: str, by: str, *, is_on: bool) -> int:
        """Write a rule; its version is raised where its words changed."""
        words = {"when": rule.when.text, "action": rule.action, "reason": rule.reason, "max_share": rule.max_share}
        before = self.rules.get(rule.rule_id)
        version = rule.version
        if before is not None:
            same = all(before[name] == words[name] for name in _WORDS)
            version = before["version"] if same else max(before["version"] + 1, version)
        self._write_rule(
            {"rule_id": rule.rule_id, "version": version, "is_on": is_on, "feature_set": feature_set, **words}, by
        )
        return version

    def switch_off(self, rule_id: str, by: str) -> None:
        self._write_rule({**self.rules[rule_id], "is_on": False}, by)

    def save_list(self, list_id: str, values: list[str], by: str) -> int:
        """Write a list whole; its new version. Fatal where it is too large for a record."""
        before = self.lists.get(list_id)
        record = {
            "list_id": list_id, "version": before["version"] + 1 if before else 1, "values": sorted(set(values)),
            "changed_at": _now_ms(), "changed_by": by,
        }  # fmt: skip
        frame = codec("list.v1").encode(record)
        if len(frame) > MAX_LIST_BYTES:
            raise Fatal(what=f"list {list_id} has {len(frame):,} bytes, {MAX_LIST_BYTES:,} are allowed", where=LISTS,
                        do="split it", exit_code=2)  # fmt: skip
        self._send(LISTS, list_id, frame)
        self.lists[list_id] = record
        return int(str(record["version"]))

    def _write_rule(self, record: dict[str, Any], by: str) -> None:
        record = {**record, "changed_at": _now_ms(), "changed_by": by}
        self._send(RULES, record["rule_id"], codec("rule.v1").encode(record))
        self.rules[record["rule_id"]] = record

    def _send(self, topic: str, key: str, frame: bytes) -> None:
        put(self.kafka, topic, key.encode(), frame)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
