"""Fields that an expression of the rules' language computes: right, or left out with the column."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riskstream.domain.risk.rules.expression import computation
from riskstream.domain.risk.rules.names import Kind, RuleError
from riskstream.domain.risk.rules.rule import hash_of
from riskstream.runtime.errors import Fatal
from riskstream.workbench.files.rows import FileRows
from riskstream.workbench.mapping.convert import Converted, Converter
from riskstream.workbench.mapping.file import parsed

NOW_MS, AT_MS = 1_800_000_000_000, 1_709_287_200_000
MAJOR = "major units take `scale: 100` or `major: true`"
TEXT = """
transaction:
  transaction_id: {row: true}
  customer_id: {row: true}
  account_token: {row: true}
  channel: CHANNEL
  kind: {value: PURCHASE}
  amount_minor: AMOUNT
  currency: {value: EUR}
  occurred_at: WHEN
  mcc: {value: null}
"""


def _text(
    amount: str = "{value: 1}",
    channel: str = "{value: POS}",
    when: str = f"{{value: {AT_MS}}}",
    more: str = "",
) -> str:
    return TEXT.replace("AMOUNT", amount).replace("CHANNEL", channel).replace("WHEN", when) + more


def _found(text: str, accepted: tuple[str, ...] = (), **columns: Any) -> Converted:
    converter = Converter(parsed(text, Path("mapping.yaml")), "EUR", NOW_MS, accepted)
    batch = pa.record_batch(
        [pa.array(columns[name.replace(" ", "_")]) for name in converter.columns],
        converter.columns,
    )
    places = np.arange(2, 2 + batch.num_rows)
    return converter.convert(FileRows(path=Path("in"), batch=batch, places=places, first=0))


def test_a_number_is_computed_exactly_from_texts_and_types() -> None:
    amount = '{expression: "(amt + fee) * 100", names: {amt: "TX AMT"}, decimal: ",", symbol: €}'
    found = _found(_text(amount), TX_AMT=["1,10", "€ 0,29", "3"], fee=[2.2, 0.0, None])
    assert found.transactions["amount_minor"].to_pylist() == [330, 29]
    assert [(place, each.why) for place, each in found.left_out] == [
        (4, "amount_minor: the expression has no value")
    ]


def test_what_cannot_be_read_is_told_with_column_and_line() -> None:
    found = _found(
        _text('{expression: "a / b"}'),
        a=["6", "six", "6", "6"],
        b=[2, 1, 0, 4],
        accepted=("part-amounts",),
    )
    assert found.transactions["amount_minor"].to_pylist() == [3]
    assert [(place, each.why, each.value) for place, each in found.left_out] == [
        (3, "amount_minor: column a: not a number", "six"),
        (4, "amount_minor: the expression has no value", ""),
        (5, f"amount_minor: not a whole number: {MAJOR}", "1.5"),
    ]


def test_true_and_false_are_named_by_the_mapping() -> None:
    channel = '{expression: "entry in (\\"web\\", \\"app\\") and amt > 0", '
    channel += "values: {true: ECOM, false: POS}}"
    found = _found(_text(channel=channel), entry=["web", "chip", None], amt=[1, 1, 1])
    assert found.transactions["channel"].to_pylist() == ["ECOM", "POS", "POS"]


def test_a_label_may_be_computed() -> None:
    more = 'label: {is_fraud: {expression: "code == \\"F1\\" or loss > 0"}}\n'
    found = _found(_text(more=more), code=["F1", "OK", "OK"], loss=[0, 5, 0])
    assert found.labelled is not None
    assert found.labelled.is_fraud.tolist() == [True, True, False]


def test_a_time_may_be_computed_in_a_unit() -> None:
    when = '{expression: "day * 86400 + second", unit: s}'
    found = _found(_text(when=when), day=[19_783], second=[36_000])
    assert found.transactions["occurred_at"].to_pylist() == [AT_MS]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_text('{expression: "a +"}'), "amount_minor.expression: it is not an expression"),
        (_text('{expression: "1 + 1"}'), "it reads no column"),
        (_text('{expression: "a > 1"}'), "is true or false, and a number is needed"),
        (_text('{expression: "f(a)"}'), "is not allowed"),
        (_text('{expression: "a", names: {b: B}}'), "does not read b"),
        (_text('{expression: "a", names: {a: 1}}'), "no table of names and columns"),
        (_text("{column: a, names: {a: A}}"), "needs one of column, columns, value, row, exp"),
        (_text(channel='{expression: "a > 1"}'), "must be true or false, with `values:"),
        (_text(channel='{expression: "a + 1", values: {true: POS}}'), "must be true or false"),
        (_text(channel='{expression: "a in lists[\\"b\\"]"}'), "lists hold texts"),
        (
            _text().replace("customer_id: {row: true}", 'customer_id: {expression: "a + 1"}'),
            "an id is no number",
        ),
    ],
)
def test_an_expression_that_cannot_be_is_refused_with_its_key(text: str, words: str) -> None:
    with pytest.raises(Fatal) as refused:
        parsed(text, Path("mapping.yaml"))
    assert words in str(refused.value)


def test_a_column_that_the_file_lacks_is_named() -> None:
    converter = Converter(parsed(_text('{expression: "a * b"}'), Path("m")), "EUR", NOW_MS)
    assert converter.columns == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a + b > 1", {"a": Kind.NUMBER, "b": Kind.NUMBER}),
        ("a == 'x' and b in ('y', 'z')", {"a": Kind.TEXT, "b": Kind.TEXT}),
        ("'x' != a", {"a": Kind.TEXT}),
        ("a is None or b is not None and b > 1", {"a": Kind.TEXT, "b": Kind.NUMBER}),
        ("-a", {"a": Kind.NUMBER}),
        ("a", {"a": Kind.NUMBER}),
        ("1 < a <= b", {"a": Kind.NUMBER, "b": Kind.NUMBER}),
    ],
)
def test_names_have_the_type_of_what_they_are_compared_with(
    text: str, kinds: dict[str, Kind]
) -> None:
    assert computation(text, hash_of).names == kinds


@pytest.mark.parametrize("text", ["a == 'x' and a > 1", "'x'", "a in lists['b']", "None", "a.b"])
def test_a_computation_that_mixes_types_is_none(text: str) -> None:
    with pytest.raises(RuleError):
        computation(text, hash_of)
