"""The catalog: schemas, topics and examples keep the house's rules."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import riskstream
from riskstream.domain.contracts import catalog
from riskstream.domain.contracts.catalog import (
    contract,
    contract_by_id,
    contracts,
    schema_id,
    shipped,
    topic,
    topics,
)
from riskstream.domain.contracts.codec import codec, decode_any
from riskstream.domain.contracts.records import Label, Transaction
from riskstream.runtime.errors import Fatal

NAMES = sorted(contracts())


def _fields(schema: Any) -> list[dict[str, Any]]:
    """Every field of a schema, nested ones too."""
    if isinstance(schema, list):
        return [field for branch in schema for field in _fields(branch)]
    if not isinstance(schema, dict):
        return []
    own: list[dict[str, Any]] = schema.get("fields", [])
    inner = [field for each in own for field in _fields(each["type"])]
    return own + inner + _fields(schema.get("items"))


def _types(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for branch in schema for found in _types(branch)]
    if not isinstance(schema, dict):
        return []
    nested = [found for field in schema.get("fields", []) for found in _types(field["type"])]
    return [schema, *nested, *_types(schema.get("items"))]


def test_the_contracts_that_the_design_names_are_there() -> None:
    assert set(NAMES) == {
        "api-key.v1",
        "transaction.v1",
        "score.v1",
        "alert.v1",
        "customer-risk.v1",
        "terminal-risk.v1",
        "label.v1",
        "answer.v1",
        "risk-report.v1",
        "report-total.v1",
        "device-risk.v1",
        "card-risk.v1",
        "profile-event.v1",
        "profile-state.v1",
        "rule.v1",
        "list.v1",
        "release.v1",
        "schema.v1",
        "owner.v1",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_documented_and_every_enum_has_a_default(name: str) -> None:
    schema = contract(name).schema
    assert schema["doc"]
    assert all(field["doc"].endswith(".") for field in _fields(schema))
    for each in _types(schema):
        if each["type"] == "enum":
            assert each["default"] in each["symbols"]


@pytest.mark.parametrize("name", NAMES)
def test_every_contract_has_two_examples_that_survive_the_codec(name: str) -> None:
    examples = sorted((shipped("schemas") / "examples" / name).glob("*.json"))
    assert len(examples) >= 2
    for path in examples:
        record = json.loads(path.read_text())
        assert decode_any(codec(name).encode(record)) == (name, record)


def test_an_instant_is_a_timestamp_in_ms() -> None:
    for each in contracts().values():
        for field in _fields(each.schema):
            if field["name"].endswith("_at"):
                assert "timestamp-millis" in json.dumps(field["type"]), (each.name, field["name"])


def test_a_schema_id_changes_with_the_bytes_and_not_with_the_words() -> None:
    schema = json.loads(json.dumps(contract("label.v1").schema))
    before = schema_id(schema)
    schema["fields"][0]["doc"] = "Other words."
    assert schema_id(schema) == before
    schema["fields"][5]["type"]["logicalType"] = "timestamp-micros"
    assert schema_id(schema) != before


def test_every_topic_names_a_contract_and_keeps_append_time() -> None:
    for each in topics().values():
        assert each.contract is None or contract(each.contract)
        assert each.config["message.timestamp.type"] == "LogAppendTime"
        assert each.description
        assert each.why
        assert each.producers
    assert {each.name for each in topics().values() if each.is_compacted} == {
        "api-keys.v1",
        "customer-risk.v1",
        "terminal-risk.v1",
        "device-risk.v1",
        "card-risk.v1",
        "profile-state.v1",
        "rules.v1",
        "lists.v1",
        "releases.v1",
        "risk-reports.v1",
        "report-totals.v1",
        "schemas.v1",
        "owners.v1",
    }


@pytest.mark.parametrize("consumers", ["tracker, scoring", "archiver", "tracker (to come)"])
def test_a_topic_names_services_of_the_closed_lists_alone(consumers: str, tmp_path: Path) -> None:
    """A service that nobody has written yet is marked so, and one that is there is not."""
    text = (shipped("topics") / "scores.v1.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("consumers:"))
    (tmp_path / "scores.v1.yaml").write_text(text.replace(line, f"consumers: [{consumers}]"))
    wrong = consumers.split(", ")[-1]
    with pytest.raises(
        Fatal,
        match=rf"no service is named {re.escape(wrong)} .*scores\.v1\.yaml: consumers.*use one "
        r"of",
    ):
        catalog.topics_in(tmp_path)


def test_each_service_that_topics_name_has_a_package_unless_it_is_to_come() -> None:
    there = {path.parent.name for path in Path(riskstream.__file__).parent.rglob("__main__.py")}
    assert set(catalog.PARTIES) - {"CLI", "upstream"} <= there
    assert not set(catalog.PARTIES_TO_COME) & there


def test_an_unknown_topic_or_contract_is_one_sentence() -> None:
    with pytest.raises(Fatal, match=r"no topic nope .*transactions\.v1"):
        topic("nope")
    with pytest.raises(Fatal, match=r"no contract nope"):
        contract("nope")


def test_a_generated_record_is_frozen_keyword_only_and_encodes() -> None:
    label = Label(
        label_id="l",
        transaction_id="t",
        customer_id="c",
        outcome="FRAUD",
        occurred_at=1,
        known_at=2,
        loss_minor=3,
    )
    decoded = codec("label.v1").decode(codec("label.v1").encode(label))
    assert decoded["outcome"] == "FRAUD"
    assert decoded["source"] == "UNKNOWN"
    with pytest.raises(AttributeError):
        label.loss_minor = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Transaction("t")  # type: ignore[call-arg]


def test_no_two_schemas_share_an_id() -> None:
    assert len(contract_by_id()) == sum(len(each.versions) for each in contracts().values())


def test_the_schema_by_which_schemas_are_told_never_changes() -> None:
    """An older version reads schemas.v1 by it, with nobody to ask."""
    assert contract("schema.v1").id == 1219204233
