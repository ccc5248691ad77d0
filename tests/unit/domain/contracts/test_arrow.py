"""Frames of Arrow columns are those of the same records one by one."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riskstream.domain.contracts.arrow import ArrowEncoder
from riskstream.domain.contracts.codec import codec

AT_MS = 1_709_287_200_000
RECORD = {
    "transaction_id": "t",
    "customer_id": "Müller",
    "account_token": "a",
    "terminal_id": None,
    "merchant_id": "m",
    "mcc": None,
    "country": "DE",
    "channel": "POS",
    "kind": "REFUND",
    "amount_minor": 10**13,
    "currency": "EUR",
    "base_amount_minor": 7,
    "base_currency": "USD",
    "rates_version": "",
    "device_id": "d" * 256,
    "counterparty_id": None,
    "occurred_at": AT_MS,
    "corrects": None,
}


def _records(n: int) -> list[dict[str, object]]:
    other = {"terminal_id": "", "mcc": 5411, "device_id": None, "channel": "ECOM"}
    return [{**RECORD, "transaction_id": f"t{at}", **(other if at % 3 else {})} for at in range(n)]


def _decoded(frames: list[bytes]) -> list[dict[str, Any]]:
    return [codec("transaction.v1").decode(each) for each in frames]


def _table(n: int) -> pa.Table:
    return pa.Table.from_pylist(_records(n)).set_column(
        0, "transaction_id", pa.array([f"t{at}" for at in range(n)])
    )


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_texts_of_every_width_numbers_and_nulls_are_encoded(kind: pa.DataType) -> None:
    table = _table(20)
    for at, name in enumerate(table.column_names):
        if pa.types.is_string(table[name].type) and name not in ("channel", "kind"):
            table = table.set_column(at, name, table[name].cast(kind))
    for start, stop in ((0, 20), (7, 12), (19, 20)):
        part = table.slice(start, stop - start)
        assert _decoded(ArrowEncoder("transaction.v1", 6).encode(part)) == _records(20)[start:stop]


def test_what_stands_at_a_null_is_not_read() -> None:
    ends, data = pa.py_buffer(np.array([0, 3, 6], np.int32)), pa.py_buffer(b"abcdef")
    device = pa.StringArray.from_buffers(2, ends, data, pa.py_buffer(b"\x02"), 1)
    table = _table(2)
    table = table.set_column(table.column_names.index("device_id"), "device_id", device)
    found = _decoded(ArrowEncoder("transaction.v1", 9).encode(table))
    assert [each["device_id"] for each in found] == [None, "def"]


def test_columns_that_are_absent_have_their_defaults_and_instants_are_ms() -> None:
    table = _table(3).drop_columns(["base_currency", "mcc", "kind", "corrects"])
    at = pa.array([AT_MS] * 3).cast(pa.timestamp("ms"))
    table = table.set_column(table.column_names.index("occurred_at"), "occurred_at", at)
    encoder = ArrowEncoder("transaction.v1", 2)
    for _ in range(2):
        expected = [
            {**each, "base_currency": "EUR", "mcc": None, "kind": "UNKNOWN", "corrects": None}
            for each in _records(3)
        ]
        assert _decoded(encoder.encode(table)) == expected


def test_a_null_where_there_may_be_none_and_a_column_that_is_missing_are_refused() -> None:
    table = _table(2)
    hole = pa.array([None, "c"], pa.string())
    with pytest.raises(ValueError, match="customer_id has no null"):
        ArrowEncoder("transaction.v1", 2).encode(table.set_column(1, "customer_id", hole))
    with pytest.raises(ValueError, match="column customer_id is missing"):
        ArrowEncoder("transaction.v1", 2).encode(table.drop_columns(["customer_id"]))
