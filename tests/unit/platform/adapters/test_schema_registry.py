"""The registry client against a registry in this process that answers well, wrongly, slowly,
hugely, or not at all.
"""

import json
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.builders import frame, transaction
from tests.support.registry import FakeRegistry

from riskstream.domain.contracts import writers
from riskstream.domain.contracts.catalog import contract
from riskstream.domain.contracts.codec import Codec, codec, decode_any
from riskstream.domain.contracts.column_encoder import ColumnEncoder
from riskstream.domain.contracts.columns import REASONS, ColumnDecoder
from riskstream.domain.contracts.writers import SchemaWait, Unknown
from riskstream.platform.adapters.schema_registry import RegistrySettings, SchemaRegistry
from riskstream.platform.adapters.schemas import open_schemas, read_schemas
from riskstream.platform.kafka.rejects import detail_of
from riskstream.platform.kafka.schemas import Lookups
from riskstream.runtime.errors import Fatal, Rejected, Retryable


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as fake:
        yield fake


def _client(registry: FakeRegistry, timeout_s: float = 0.5) -> SchemaRegistry:
    settings = RegistrySettings(url=registry.url, username="u", password=SecretStr("p"))
    return SchemaRegistry(settings, timeout_s=timeout_s)


def _newer(name: str = "transaction.v1") -> dict[str, Any]:
    schema = deepcopy(contract(name).schema)
    schema["fields"].insert(
        1, {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}}
    )
    return schema


def _framed(schema_id: int, schema: dict[str, Any], **more: Any) -> bytes:
    raw = Codec.of("transaction.v1", schema, [schema]).encode({**transaction(), **more})
    return b"\0" + schema_id.to_bytes(4, "big") + raw[5:]


def _until(found: Any) -> Any:
    end = time.monotonic() + 10
    while (answer := found()) is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    return answer


@pytest.mark.parametrize(
    "mode", ["500", "401", "proxy_404", "garbage", "no_schema", "huge", "redirect", "slow"]
)
def test_an_answer_that_says_nothing_is_retryable(registry: FakeRegistry, mode: str) -> None:
    registry.put(7, _newer())
    registry.mode = mode
    started = time.monotonic()
    with pytest.raises(Retryable, match=r"registry"):
        _client(registry).fetch([7])
    assert time.monotonic() - started < 3
    assert "/elsewhere" not in registry.asked
    registry.mode = "well"
    assert _client(registry).fetch([7])[7]["name"] == "Transaction"
    assert registry.authorization == "Basic dTpw"


def test_only_the_registrys_own_word_makes_an_id_unknown(registry: FakeRegistry) -> None:
    assert _client(registry).fetch([7]) == {}


def test_nobody_there_is_retryable() -> None:
    with FakeRegistry() as gone:
        client = _client(gone)
    with pytest.raises(Retryable, match="does not answer"):
        client.fetch([7])


def test_a_schema_that_refers_to_another_is_put_together(registry: FakeRegistry) -> None:
    kind = next(
        field for field in contract("transaction.v1").schema["fields"] if field["name"] == "kind"
    )["type"]
    schema = deepcopy(contract("transaction.v1").schema)
    next(field for field in schema["fields"] if field["name"] == "kind")["type"] = "riskstream.Kind"
    full = {**kind, "namespace": "riskstream", "name": "Kind"}
    named = kind["name"] == "Kind"
    registry.subjects["kind/versions/1"] = {"schema": json.dumps(full)}
    registry.schemas[7] = {
        "schema": json.dumps(schema),
        "references": [{"name": "riskstream.Kind", "subject": "kind", "version": 1}],
    }
    found = _client(registry).fetch([7])[7]
    assert (
        next(field for field in found["fields"] if field["name"] == "kind")["type"]["symbols"]
        == kind["symbols"]
    )
    if named:
        ColumnDecoder(contract("transaction.v1"))


def test_a_schema_of_another_kind_reads_as_nothing(registry: FakeRegistry) -> None:
    registry.schemas[7] = {"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}
    writers.use(Lookups([_client(registry)]))
    with pytest.raises(
        Rejected,
        match=r"schema id 7 cannot be read as transaction.v1: .*of PROTOBUF is not "
        r"Transaction",
    ):
        _until(lambda: _decoded(b"\0\0\0\0\x07" + frame()[5:]))


def _decoded(raw: bytes) -> dict[str, Any] | None:
    try:
        return codec("transaction.v1").decode(raw)
    except SchemaWait:
        return None


def test_an_unknown_id_waits_until_it_is_known_and_is_then_read_by_its_own_plan(
    registry: FakeRegistry,
) -> None:
    registry.put(9, _newer())
    registry.mode = "500"
    writers.use(Lookups([_client(registry)]))
    decoder = ColumnDecoder("transaction.v1")
    raw = _framed(9, _newer(), tags={"a": "b"})
    columns = decoder.decode([frame(), raw])
    assert columns.status[0] == 0
    assert columns.wanted == {1: 9}
    wait = columns.waits()
    assert wait is not None
    assert not wait.is_over()
    registry.mode = "well"
    _until(lambda: wait.is_over() or None)
    columns = decoder.decode([frame(), raw])
    assert columns.status.tolist() == [0, 0]
    assert columns.record(1) == transaction() == codec("transaction.v1").decode(raw)
    assert decode_any(raw) == ("transaction.v1", transaction())
    asked = len(registry.asked)
    decoder.decode([raw] * 10)
    ColumnDecoder("transaction.v1").decode([raw])
    assert len(registry.asked) == asked


def test_an_id_that_nobody_knows_is_rejected_with_the_id_and_asked_for_again_later(
    registry: FakeRegistry,
) -> None:
    now = [0.0]
    writers.use(Lookups([_client(registry)], clock=lambda: now[0]))
    raw = b"\0\0\0\0\x0b" + frame()[5:]
    _until(lambda: writers.find(11))
    decoder = ColumnDecoder("transaction.v1")
    assert REASONS[int(decoder.decode([raw]).status[0])] == "unknown_schema"
    with pytest.raises(Rejected, match="schema id 11"):
        codec("transaction.v1").decode(raw)
    assert "schema id 11" in detail_of("transactions.v1", "unknown_schema", raw)
    asked = len(registry.asked)
    assert decoder.decode([raw]).status[0]
    assert len(registry.asked) == asked
    registry.put(11, contract("transaction.v1").schema)
    now[0] = 31.0
    assert decoder.decode([raw]).wanted == {0: 11}
    _until(lambda: isinstance(writers.find(11), dict) or None)
    assert decoder.decode([raw]).status[0] == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "Payment"}, "record Payment is not Transaction"),
        (
            {"fields": [{"name": "transaction_id", "type": "string"}]},
            ("customer_id is not written and has no default"),
        ),
    ],
)
def test_an_incompatible_schema_is_rejected_with_the_reason(
    registry: FakeRegistry, change: dict[str, Any], why: str
) -> None:
    registry.put(12, {**contract("transaction.v1").schema, **change})
    writers.use(Lookups([_client(registry)]))
    _until(lambda: writers.find(12))
    raw = b"\0\0\0\0\x0c" + frame()[5:]
    columns = ColumnDecoder("transaction.v1").decode([raw, raw])
    assert {REASONS[int(status)] for status in columns.status} == {"incompatible_schema"}
    with pytest.raises(Rejected, match=why):
        codec("transaction.v1").decode(raw)
    detail = detail_of("transactions.v1", "incompatible_schema", raw)
    assert "schema id 12" in detail
    assert why in detail


def test_what_is_no_schema_at_all_is_rejected(registry: FakeRegistry) -> None:
    for known, odd in enumerate(
        [
            '"string"',
            "[]",
            '{"type": "record"}',
            ('{"type": "record", "name": "Transaction", "fields": 7}'),
        ]
    ):
        registry.schemas[20 + known] = {"schema": odd}
    writers.use(Lookups([_client(registry)]))
    for known in range(20, 24):
        _until(lambda known=known: writers.find(known))
        columns = ColumnDecoder("transaction.v1").decode(
            [b"\0" + known.to_bytes(4, "big") + frame()[5:]]
        )
        assert REASONS[int(columns.status[0])] == "incompatible_schema"


def test_one_place_that_is_away_does_not_hide_what_another_knows(registry: FakeRegistry) -> None:
    class Away:
        name = "away"

        def fetch(self, schema_ids: Sequence[int]) -> dict[int, Any]:  # noqa: ARG002  a port's name
            raise Retryable(what="away", where="here")

    registry.put(9, _newer())
    lookups = Lookups([Away(), _client(registry)])
    assert isinstance(_until(lambda: lookups.find(9)), dict)
    lookups.find(10)
    time.sleep(0.3)
    assert lookups.find(10) is None
    assert "away" in lookups.problem
    lookups.close()


def test_what_we_write_carries_the_registrys_id_where_it_is_registered(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_URL", registry.url)
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_REGISTER", "true")
    monkeypatch.setattr("riskstream.platform.adapters.schemas.publish", lambda _: 0)
    open_schemas("127.0.0.1:1", "gateway")
    known = registry.registered["/subjects/transactions.v1-value/versions"]
    raw = frame()
    assert raw[:5] == b"\0" + known.to_bytes(4, "big")
    assert codec("transaction.v1").decode(raw) == transaction()
    assert ColumnDecoder("transaction.v1").decode([raw]).status[0] == 0
    writers.use(None)
    assert codec("transaction.v1").encode(transaction())[1:5] == contract(
        "transaction.v1"
    ).id.to_bytes(4, "big")
    assert ColumnEncoder("score.v1", capacity=1)._header[1:].tobytes() == contract(
        "score.v1"
    ).id.to_bytes(4, "big")


def test_wrong_settings_are_one_sentence_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_URL", "registry:8081")
    with pytest.raises(Fatal, match="RISKSTREAM_SCHEMA_REGISTRY_URL"):
        read_schemas("127.0.0.1:1")
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_URL", "https://registry")
    monkeypatch.setenv("RISKSTREAM_SCHEMA_REGISTRY_CA", "nowhere.pem")
    with pytest.raises(Fatal, match=r"nowhere\.pem"):
        read_schemas("127.0.0.1:1")


def test_without_a_source_an_unknown_id_is_rejected_at_once() -> None:
    assert isinstance(writers.find(3), Unknown)
    assert (
        REASONS[
            int(ColumnDecoder("transaction.v1").decode([b"\0\0\0\0\3" + frame()[5:]]).status[0])
        ]
        == "unknown_schema"
    )


def test_another_contracts_id_is_unknown_at_once_and_named(registry: FakeRegistry) -> None:
    writers.use(Lookups([_client(registry)]))
    label = b"\0" + contract("label.v1").id.to_bytes(4, "big") + frame()[5:]
    assert (
        REASONS[int(ColumnDecoder("transaction.v1").decode([label]).status[0])] == "unknown_schema"
    )
    with pytest.raises(Rejected, match=r"it is a label\.v1"):
        codec("transaction.v1").decode(label)
    assert not registry.asked
