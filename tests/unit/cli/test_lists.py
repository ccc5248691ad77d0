"""`riskstream lists`, and lists in files of rules: values that end, and notes."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from riskstream.cli import saved_rules
from riskstream.cli.list_entries import read_lists, until_ms
from riskstream.cli.lists import command
from riskstream.cli.saved_rules import Saved
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.rules.listed import Entry
from riskstream.domain.risk.rules.names import RuleError
from riskstream.platform.adapters.rule_records import LISTS, RuleRecords
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal

END = 1_801_440_000_000
"""The end of 2027-01-31 in UTC."""


class Topic:
    """lists.v1 in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[bytes] = []
        monkeypatch.setattr(saved_rules, "put", self._put)
        monkeypatch.setattr(Saved, "read", self._read)

    def _put(self, _kafka: str, topic: str, _key: bytes, value: bytes) -> None:
        assert topic == LISTS
        self.values.append(value)

    def _read(self, kafka: str) -> Saved:
        records = RuleRecords()
        for offset, value in enumerate(self.values):
            records.take(
                Record(
                    topic=LISTS,
                    partition=0,
                    offset=offset,
                    appended_at=offset,
                    key=codec("list.v1").decode(value)["list_id"].encode(),
                    value=value,
                    headers=[],
                )
            )
        return Saved(kafka, {}, records.said(LISTS), records)

    def run(self, *given: str) -> str:
        result = CliRunner().invoke(command, [*given, "--kafka", "k:1"])
        if result.exception:
            raise result.exception
        return result.output

    @property
    def last(self) -> dict[str, Any]:
        return codec("list.v1").decode(self.values[-1])


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    return Topic(monkeypatch)


def test_a_value_is_added_with_its_end_and_note_and_shown(topic: Topic) -> None:
    topic.run("add", "l", "a", "b", "--by", "ann")
    assert topic.last["values"] == ["a", "b"]
    assert (topic.last["ends_at"], topic.last["notes"]) == ([], []), "what none has takes no room"
    said = topic.run("add", "l", "c", "--until", "2027-01-31", "--note", "case 7", "--by", "bob")
    assert said == "l v2: 3 values\n"
    assert (topic.last["ends_at"], topic.last["notes"]) == ([0, 0, END], ["", "", "case 7"])
    topic.run("add", "l", "d", "--until", "2020-05-01T12:00:00")
    assert topic.run("show", "l").splitlines() == [
        "a",
        "b",
        "c  until 2027-02-01 00:00:00 UTC  case 7",
        "d  ended 2020-05-01 12:00:00 UTC",
    ]
    assert topic.run("show").startswith("l v3: 4 values, changed 20")
    assert topic.run("show").endswith(" UTC by nobody named\n")


def test_a_value_that_is_listed_gets_the_new_end_and_keeps_its_note(topic: Topic) -> None:
    topic.run("add", "l", "a", "--until", "2027-01-31", "--note", "case 7")
    topic.run("add", "l", "a", "b")
    assert (topic.last["ends_at"], topic.last["notes"]) == ([], ["case 7", ""])
    topic.run("add", "l", "a", "--note", "", "--until", "2027-01-31")
    assert (topic.last["ends_at"], topic.last["notes"]) == ([END, 0], [])
    topic.run("remove", "l", "b")
    assert (topic.last["values"], topic.last["ends_at"]) == (["a"], [END])


def test_a_list_is_replaced_with_one_end_and_note(topic: Topic, tmp_path: Path) -> None:
    topic.run("add", "l", "a", "b", "--until", "2027-01-31", "--note", "case 7")
    path = tmp_path / "values.txt"
    path.write_text("b\n\nc\n")
    topic.run("set", "l", str(path), "--until", "2027-01-31", "--note", "weekly")
    assert topic.last["values"] == ["b", "c"]
    assert (topic.last["ends_at"], topic.last["notes"]) == ([END, END], ["weekly", "weekly"])
    topic.run("set", "l", str(path))
    assert (topic.last["ends_at"], topic.last["notes"]) == ([], [])


def test_what_is_no_date_or_too_long_changes_nothing(topic: Topic) -> None:
    for wrong in ("soon", "2027-13-01", "31.01.2027", "1969-01-01", "9999-12-31"):
        result = CliRunner().invoke(command, ["add", "l", "a", "--until", wrong, "--kafka", "k:1"])
        assert result.exit_code == 2
        assert "is no date from 1970 to 9998: give 2027-01-31" in result.output
    with pytest.raises(Fatal, match="notes has 201 bytes, not at most 200 bytes each"):
        topic.run("add", "l", "a", "--note", "n" * 201)
    assert topic.values == []


def test_a_day_lasts_to_its_end_and_a_time_without_a_zone_is_in_utc() -> None:
    assert until_ms("2027-01-31") == until_ms("20270131") == until_ms(date(2027, 1, 31)) == END
    assert until_ms("2027-02-01T00:00:00") == until_ms("2027-02-01 01:00+01:00") == END
    assert until_ms(datetime(2027, 2, 1)) == until_ms(datetime(2027, 2, 1, tzinfo=UTC)) == END


def test_a_file_of_rules_may_say_ends_and_notes() -> None:
    until = date(2027, 1, 31)
    given = {"l": ["a", {"value": "b", "until": until, "note": "why"}, {"value": "c"}]}
    assert read_lists(given) == {
        "l": [
            Entry(value="a"),
            Entry(value="b", ends_at=END, note="why"),
            Entry(value="c"),
        ]
    }
    for wrong, words in (
        ([5], "holds something that is not a text"),
        ([{"value": "a", "note": 5}], "holds something that is not a text"),
        ([{"value": "a", "ends": until}], "list l: ends is not one of note, until, value"),
        ([{"value": "a", "until": "soon"}], "until of a is soon, no date from 1970 to 9998"),
        ([{"value": "a", "until": date(9999, 12, 31)}], "until of a is 9999-12-31, no date"),
        ([{"note": "why"}], "list l holds something without a value"),
        ([{"value": "a", "until": 5}], "until of a is 5, no date from 1970 to 9998; give one"),
        ("a", "mapping of names to lists"),
    ):
        with pytest.raises(RuleError, match=words):
            read_lists({"l": wrong})
