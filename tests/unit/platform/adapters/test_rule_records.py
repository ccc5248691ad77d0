"""Records of rules.v1 and lists.v1: those that are right are in force, each that is wrong is told
with its place and why.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.support.rule_records import rule

from riskstream.domain.contracts import writers
from riskstream.domain.contracts.catalog import contract, schema_id, shipped
from riskstream.domain.contracts.codec import Codec, codec
from riskstream.domain.contracts.writers import Unknown
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.book import RuleBook
from riskstream.platform.adapters.rule_records import LISTS, REASONS, RULES, RuleRecords
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import InForceMetrics
from riskstream.scorer.live_rules import LiveRules


def a_list(name: str, *values: str, **more: Any) -> bytes:
    return codec("list.v1").encode(
        {
            "list_id": name,
            "version": 1,
            "values": list(values),
            "changed_at": 1,
            "changed_by": "",
            **more,
        }
    )


def newer(name: str, field: str) -> tuple[dict[str, Any], bytes]:
    """A rule by a schema of a later version, and that schema."""
    schema = json.loads(json.dumps(contract("rule.v1").schema))
    schema["fields"].append({"name": field, "type": "string", "default": "", "doc": "Later."})
    said = codec("rule.v1").decode(rule(name))
    return schema, Codec.of("rule.v1", schema, [schema]).encode({**said, field: "ann"})


class Told:
    """What a lookup in the background would give: nothing yet, that nobody knows it, or the
    schema.
    """

    def __init__(self) -> None:
        self.answer: dict[str, Any] | Unknown | None = None

    def find(self, schema_id: int) -> dict[str, Any] | Unknown | None:  # noqa: ARG002  the port's name
        return self.answer


@pytest.fixture
def told() -> Iterator[Told]:
    lookup = Told()
    writers.use(lookup)
    yield lookup
    writers.use(None)


class Scorer:
    """The sink of a scorer: `on` are the rules that it acts on."""

    def __init__(self) -> None:
        self.metrics = InForceMetrics(registry=CollectorRegistry())
        self.book = RuleBook()
        self.live = LiveRules(STANDARD, self._use, self.metrics)
        self.live.begin()
        self._offset = 0

    def _use(self, book: RuleBook) -> None:
        self.book = book

    def take(self, key: bytes, value: bytes | None, topic: str = RULES, partition: int = 0) -> None:
        self._offset += 1
        self.live.take(
            Record(
                topic=topic,
                partition=partition,
                offset=self._offset,
                appended_at=self._offset,
                key=key,
                value=value,
                headers=[],
            )
        )

    def say(self, key: bytes, value: bytes | None, topic: str = RULES, partition: int = 0) -> bool:
        self.take(key, value, topic, partition)
        return self.live.settle()

    @property
    def on(self) -> list[str]:
        return [each.rule_id for each in self.book.rules]

    def refused(self, topic: str = RULES) -> dict[str, float]:
        found = {
            reason: self.metrics.rules_refused.labels(topic=topic, reason=reason)._value.get()
            for reason in REASONS
        }
        return {reason: count for reason, count in found.items() if count}


WRONG: dict[str, tuple[Callable[[], tuple[str, bytes, bytes]], str]] = {
    "junk": (lambda: (RULES, b"bad", b"\xff\x00junk"), "unreadable"),
    "an empty value": (lambda: (RULES, b"bad", b""), "unreadable"),
    "four bytes": (lambda: (RULES, b"bad", b"\0\0\0\0"), "unreadable"),
    "a rule cut short": (lambda: (RULES, b"bad", rule("bad")[:-9]), "unreadable"),
    "bytes behind a rule": (lambda: (RULES, b"bad", rule("bad") + b"!"), "unreadable"),
    "no UTF-8": (lambda: (RULES, b"bad", rule("bad").replace(b"bad", b"b\xffd")), "unreadable"),
    "a schema that nobody knows": (
        lambda: (RULES, b"bad", b"\0\xde\xad\xbe\xef" + rule("bad")[5:]),
        "schema",
    ),
    "a record of another contract": (lambda: (RULES, b"bad", a_list("bad", "x")), "schema"),
    "a megabyte": (lambda: (RULES, b"bad", rule("bad", when="1" * 1_000_000)), "too_large"),
    "a megabyte of junk": (lambda: (RULES, b"bad", b"\xff" * 1_040_000), "too_large"),
    "a reason that is too long": (lambda: (RULES, b"bad", rule("bad", reason="R" * 241)), "bounds"),
    "no name": (lambda: (RULES, b"", rule("")), "bounds"),
    "a foreign key": (lambda: (RULES, b"else", rule("bad")), "key"),
    "a second rule of a name": (
        lambda: (RULES, b"good-2", rule("good", when="base_amount_minor > 9")),
        "key",
    ),
    "a key that is no text": (lambda: (RULES, b"\xff\xfe", rule("bad")), "key"),
    "an expression that does not compile": (
        lambda: (RULES, b"bad", rule("bad", when="import os")),
        "rule",
    ),
    "a feature of another version": (
        lambda: (RULES, b"bad", rule("bad", when="no_such_feature > 1")),
        "rule",
    ),
    "an action of another version": (
        lambda: (RULES, b"bad", rule("bad", action="UNKNOWN")),
        "rule",
    ),
    "a share that is no number": (
        lambda: (RULES, b"bad", rule("bad", max_share=float("nan"))),
        "rule",
    ),
    "a list that is not there": (
        lambda: (RULES, b"bad", rule("bad", when='customer_id in lists["gone"]')),
        "rule",
    ),
    "a list of junk": (lambda: (LISTS, b"l", b"\0junk junk"), "schema"),
    "a list under a foreign key": (lambda: (LISTS, b"m", a_list("l", "x")), "key"),
    "a value that is too long": (lambda: (LISTS, b"l", a_list("l", "x" * 257)), "bounds"),
    "ends of other values": (lambda: (LISTS, b"l", a_list("l", "x", ends_at=[1, 2])), "bounds"),
    "notes of other values": (lambda: (LISTS, b"l", a_list("l", "x", notes=["", ""])), "bounds"),
    "a note that is too long": (
        lambda: (LISTS, b"l", a_list("l", "x", notes=["n" * 201])),
        "bounds",
    ),
    "too many values": (
        lambda: (LISTS, b"l", a_list("l", *(f"{n:0200d}" for n in range(4600)))),
        "too_large",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_record_that_is_wrong_is_counted_by_reason_and_the_others_are_acted_on(name: str) -> None:
    given, reason = WRONG[name]
    topic, key, value = given()
    scorer = Scorer()
    scorer.take(key, value, topic)
    scorer.say(b"good", rule())
    assert scorer.on == ["good"]
    assert scorer.book.rules[0].when.text == "base_amount_minor > 5"
    assert scorer.refused(topic) == {reason: 1}
    scorer.say(key, None, topic)
    assert scorer.refused(topic) == {}, "it is deleted"
    assert scorer.on == ["good"]


@pytest.mark.parametrize("name", [name for name, (_, reason) in WRONG.items() if reason != "rule"])
def test_what_stood_under_its_key_before_stays_in_force(name: str) -> None:
    topic, key, value = WRONG[name][0]()
    if topic != RULES or not key or b"\xff" in key:
        return
    scorer = Scorer()
    scorer.say(key, rule(key.decode()))
    scorer.say(key, value)
    assert scorer.on == [key.decode()]
    assert sum(scorer.refused().values()) == 1
    scorer.say(key, rule(key.decode(), is_on=False))
    assert (scorer.on, scorer.refused()) == ([], {})


def test_a_tombstone_takes_a_rule_out_and_the_newest_of_two_partitions_counts() -> None:
    scorer = Scorer()
    scorer.say(b"good", rule(), partition=3)
    scorer.say(b"good", rule(when="base_amount_minor > 7"), partition=1)
    assert scorer.book.rules[0].when.text == "base_amount_minor > 7"
    late = Record(
        topic=RULES, partition=2, offset=0, appended_at=1, key=b"good", value=None, headers=[]
    )
    scorer.live.take(late)
    assert scorer.live.settle()
    assert scorer.on == ["good"], "read later, appended earlier"
    scorer.say(b"good", None)
    assert (scorer.on, scorer.refused()) == ([], {})


def test_a_rule_of_a_newer_version_is_acted_on_once_its_schema_is_known(told: Told) -> None:
    schema, frame = newer("later", "owner")
    scorer = Scorer()
    told.answer = Unknown(detail="nobody knows it")
    scorer.take(b"later", frame)
    assert not scorer.say(b"good", rule()), "it is looked at again"
    assert (scorer.on, scorer.refused()) == (["good"], {"schema": 1})
    assert schema_id(schema) == int.from_bytes(frame[1:5], "big")
    told.answer = schema
    assert scorer.live.settle()
    assert (scorer.on, scorer.refused()) == (["good", "later"], {})


def test_while_a_schema_is_asked_for_the_others_are_acted_on(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskstream.scorer.live_rules._SCHEMA_S", 0.05)
    schema, frame = newer("later", "ticket")
    scorer = Scorer()
    scorer.take(b"later", frame)
    assert not scorer.say(b"good", rule())
    assert (scorer.on, scorer.refused()) == (["good"], {"schema": 1})
    told.answer = schema
    assert scorer.live.settle()
    assert scorer.on == ["good", "later"]


def test_a_record_is_told_with_its_place_and_can_be_taken_out() -> None:
    records = RuleRecords()
    values: Sequence[bytes] = [rule(), b"junk", b"\xff" * 5]
    for offset, (key, value) in enumerate(zip([b"good", b"good", b"\xffkey"], values, strict=True)):
        records.take(
            Record(
                topic=RULES,
                partition=2,
                offset=offset,
                appended_at=offset,
                key=key,
                value=value,
                headers=[],
            )
        )
    first, second = records.refused()
    assert (first.place, first.key, first.reason) == ("rules.v1:2:1", "good", "unreadable")
    assert records.key_and_value(first) == (b"good", rule())
    assert records.key_and_value(second) == (b"\xffkey", None)
    assert "bad_magic" in second.why


@pytest.mark.parametrize("label", ["standard.v1", "standard.v99", "another.v1"])
def test_a_rule_of_a_feature_that_is_another_here_is_refused_for_itself(label: str) -> None:
    scorer = Scorer()
    scorer.say(b"fields", rule("fields", feature_set=label))
    scorer.say(
        b"same", rule("same", when="customer_count_1h > 5", feature_set="standard-profiles.v2")
    )
    scorer.say(b"other", rule("other", when="customer_count_1h > 5", feature_set=label))
    assert scorer.on == ["fields", "same"], (
        "every set has the fields, and standard-profiles declares the count alike"
    )
    assert scorer.refused() == {"rule": 1}


def test_lists_of_versions_without_ends_are_read_and_they_read_ours() -> None:
    versions = [
        json.loads(path.read_text())
        for path in sorted((shipped("schemas") / "released" / "list.v1").glob("*.avsc"))
    ]
    before, now = versions[0], contract("list.v1").schema
    assert "ends_at" not in {field["name"] for field in before["fields"]}
    theirs = Codec.of("list.v1", before, [before, now])
    ours = a_list("l", "x", "y", ends_at=[0, 9], notes=["why", ""])
    assert theirs.decode(ours)["values"] == ["x", "y"]
    old = theirs.encode(theirs.decode(ours))
    assert codec("list.v1").decode(old) == {
        **codec("list.v1").decode(ours),
        "ends_at": [],
        "notes": [],
    }
    scorer = Scorer()
    scorer.take(b"l", old, LISTS)
    scorer.say(b"good", rule(when='customer_id in lists["l"]'))
    assert (scorer.on, scorer.refused(LISTS)) == (["good"], {})
    assert len(scorer.book.lists["l"].always) == 2
    scorer.say(b"l", ours, LISTS)
    assert len(scorer.book.lists["l"].ending) == 1
