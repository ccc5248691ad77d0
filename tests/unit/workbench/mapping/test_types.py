"""A column of any Arrow type for any field: a value, a reason or a refusal, and nothing else."""

import datetime as dt
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.rows import FileRows, Layout
from riskstream.workbench.mapping.columns_seen import seen_of
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.declared import Source
from riskstream.workbench.mapping.file import parsed
from riskstream.workbench.mapping.findings import Findings, noted
from riskstream.workbench.mapping.numbers import numbers
from riskstream.workbench.mapping.proposal.proposal import proposed

NOW_MS, AT_MS = 1_800_000_000_000, 1_709_287_200_000
TEXT = """
transaction:
  transaction_id: HOW_id
  customer_id: HOW_who
  account_token: {value: a}
  channel: HOW_channel
  kind: {value: PURCHASE}
  amount_minor: HOW_amount
  currency: HOW_currency
  occurred_at: HOW_when
  mcc: HOW_mcc
  terminal_id: HOW_terminal
label: {is_fraud: HOW_bad, known_at: HOW_known}
"""
GOOD: dict[str, pa.Array] = {
    "id": pa.array(["1", "2", "3"]),
    "who": pa.array(["c", "d", "e"]),
    "channel": pa.array(["POS"] * 3),
    "amount": pa.array([1, 2, 3]),
    "currency": pa.array(["EUR"] * 3),
    "when": pa.array([AT_MS] * 3),
    "mcc": pa.array([1, 2, 3]),
    "terminal": pa.array(["t"] * 3),
    "bad": pa.array([0, 1, 0]),
    "known": pa.array([AT_MS] * 3),
}
HOWS = (
    "{column: X, scale: 100}",
    "{column: X, integer: true, values: {x: y}}",
    "{column: X, unit: us}",
    '{column: X, format: "%Y"}',
    "{columns: [X, X]}",
    '{column: X, empty: [x], decimal: ",", thousands: "."}',
    "{column: X, negative: REFUND, round: true}",
)


def _columns() -> list[pa.Array]:
    whole = [
        pa.array([1, None, 7], kind)
        for bits in (8, 16, 32, 64)
        for kind in (getattr(pa, f"int{bits}")(), getattr(pa, f"uint{bits}")())
    ]
    floats = [pa.array(np.array([1, np.nan, 7.5], each)) for each in ("f2", "f4", "f8")]
    words = [
        pa.array(["1", None, "x"], each)
        for each in (pa.string(), pa.large_string(), pa.string_view())
    ]
    raw = [
        pa.array([b"1", None, b"\xff"], each)
        for each in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))
    ]
    decimals = [
        pa.array([Decimal(100), None, Decimal(700)], each)
        for each in (
            pa.decimal32(7, 2),
            pa.decimal64(12, 2),
            pa.decimal128(20, 2),
            pa.decimal256(50, 2),
        )
    ]
    times = [
        pa.array([AT_MS // 1000 * 10**power, None, 2**62], pa.timestamp(unit, zone))
        for unit, power in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9))
        for zone in (None, "UTC", "+05:30", "Europe/Berlin")
    ]
    days = [
        pa.array([dt.date(2024, 3, 1), None, dt.date(1, 1, 1)], each)
        for each in (pa.date32(), pa.date64())
    ]
    nested = [
        pa.array([[1], None, [2, 3]]),
        pa.array([[1], None, [2]], pa.list_view(pa.int64())),
        pa.array([{"a": 1}, None, {"a": 2}]),
        pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    ]
    others = [
        pa.array([True, None, False]),
        pa.nulls(3),
        pa.array([1, None, 2], pa.time64("us")),
        pa.array([1, None, 2], pa.duration("s")),
        pa.array(["1", None, "x"]).dictionary_encode(),
        pa.array([1.5, None, 7.0]).dictionary_encode(),
        pa.RunEndEncodedArray.from_arrays(pa.array([1, 3], pa.int32()), pa.array(["1", "x"])),
        pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([b"x" * 16, None, b"\xff" * 16], pa.binary(16))
        ),
    ]
    return [*whole, *floats, *words, *raw, *decimals, *times, *days, *nested, *others]


@pytest.mark.parametrize("column", _columns(), ids=lambda each: str(each.type))
def test_a_column_of_any_type_is_read_or_told_apart_in_any_field(column: pa.Array) -> None:
    tried = 0
    for at, name in enumerate(GOOD):
        for how in ("X", *HOWS[at % 3 :: 3]):  # each column in each way in a third of the fields
            text = TEXT.replace(f"HOW_{name}", how.replace("X", name)).replace("HOW_", "")
            try:
                mapping = parsed(text, Path("mapping.yaml"))
            except Fatal:
                continue  # this field does not take it
            converter = Converter(mapping, "EUR", NOW_MS)
            held = {**GOOD, name: column}
            batch = pa.record_batch([held[each] for each in converter.columns], converter.columns)
            rows = FileRows(path=Path("in"), batch=batch, places=np.arange(1, 4), first=0)
            try:
                found = converter.convert(rows)
            except Fatal:
                continue
            assert found.transactions.num_rows + len(found.left_out) == 3
            assert all(each.why for _, each in found.left_out)
            tried += 1
    assert tried > 10


def _first(_question: str, answers: list[str]) -> str:
    return answers[0]


@pytest.mark.parametrize("column", _columns(), ids=lambda each: str(each.type))
def test_a_mapping_is_proposed_for_a_column_of_any_type(column: pa.Array) -> None:
    names = ("id", "when", "amount", "fraud", "other")
    for name in names:
        held = {"shop": pa.array(["a", "b", "a"]), name: column}
        seen = [seen_of(each, values) for each, values in held.items()]
        draft = proposed(seen, Layout(), NOW_MS, "EUR", _first, lambda _: pa.array([], pa.string()))
        assert "transaction:" in draft.text("in.arrow")


def test_floats_of_fewer_bits_are_refused_where_their_shortest_numbers_have_parts() -> None:
    findings = Findings(3)
    column = pa.array([379220.125, 4.0, 12.5], pa.float32())
    noted_here = partial(noted, findings, "amount_minor", column)
    found = numbers(column, Source(), Decimal(1), noted_here)
    assert found.missing.tolist() == [True, False, True]
    assert findings.refusal is not None
    assert "379220.12" in findings.refusal.value
