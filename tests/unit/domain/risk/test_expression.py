"""The language of rules: what it means row by row, what it refuses, and that nothing can run
away.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.domain.risk.rules.expression import parse
from riskstream.domain.risk.rules.listed import Entry, members
from riskstream.domain.risk.rules.names import Kind, Name, RuleError
from riskstream.domain.risk.rules.rule import hash_of, names_of, read_rule, read_rules

NAMES = {
    "a": Name(kind=Kind.NUMBER),
    "b": Name(kind=Kind.NUMBER),
    "shop": Name(kind=Kind.TEXT),
    "channel": Name(kind=Kind.SYMBOL, symbols=("UNKNOWN", "POS", "ECOM")),
}


@dataclass
class Table:
    """Rows as dicts; None is not there."""

    rows: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        values = [row[name] for row in self.rows]
        if name in NAMES and NAMES[name].symbols:
            values = [
                None if value is None else NAMES[name].symbols.index(value) for value in values
            ]
        there = np.array([value is not None for value in values], np.bool_)
        return np.array([0.0 if value is None else value for value in values], np.float64), there

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        values = [row[name] for row in self.rows]
        there = np.array([value is not None for value in values], np.bool_)
        return np.array([hash_of(value or "") for value in values], np.uint64), there


ROWS = Table(
    [
        {"a": 1.0, "b": 2.0, "shop": "x", "channel": "POS"},
        {"a": 5.0, "b": 0.0, "shop": "y", "channel": "ECOM"},
        {"a": None, "b": 3.0, "shop": None, "channel": None},
    ]
)
LISTS = {
    name: members([Entry(value=value) for value in values], hash_of)
    for name, values in {"bad": ["y", "z"], "empty": []}.items()
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", [False, True, False]),
        ("1 <= a < 5", [True, False, False]),
        ("not a > 1", [True, False, True]),
        ("a != 1", [False, True, False]),
        ("a is None", [False, False, True]),
        ("a is not None", [True, True, False]),
        ("a / b > 0.4", [True, False, False]),
        ("not a / b > 0.4", [False, True, True]),
        (("a * 2 - b == 0"), [True, False, False]),
        ("-a < -4", [False, True, False]),
        ('shop == "x"', [True, False, False]),
        ('"x" == shop', [True, False, False]),
        ('shop != "x"', [False, True, False]),
        ('shop in ("x", "q")', [True, False, False]),
        ('shop not in ["x"]', [False, True, False]),
        ('shop in lists["bad"]', [False, True, False]),
        ('shop in lists["empty"]', [False, False, False]),
        ('shop not in lists["bad"]', [True, False, False]),
        ('channel == "ECOM"', [False, True, False]),
        ('channel in ("ECOM", "POS")', [True, True, False]),
        ("channel is None", [False, False, True]),
        ("a in (1, 5)", [True, True, False]),
        ("True", [True, True, True]),
        ('a > 3 and channel == "ECOM" or b > 2', [False, True, True]),
        ("shop is None or a > 0", [True, True, True]),
    ],
)
def test_what_an_expression_means(text: str, expected: list[bool]) -> None:
    assert parse(text, NAMES, hash_of).matches(ROWS, LISTS).tolist() == expected


@given(
    rows=st.lists(st.tuples(st.sampled_from([None, *"abcd"]), st.integers(0, 9)), max_size=9),
    entries=st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(1, 9))), max_size=6
    ),
)
def test_a_value_is_in_a_list_for_what_occurred_before_its_end(
    rows: list[Any], entries: list[Any]
) -> None:
    table = Table([{"shop": shop, "occurred_at": float(at)} for shop, at in rows])
    lists = {"l": members([Entry(value=v, ends_at=end) for v, end in entries], hash_of)}
    inside = [
        any(shop == value and (end is None or at < end) for value, end in entries)
        for shop, at in rows
    ]
    asked = parse('shop in lists["l"]', NAMES, hash_of)
    assert asked.matches(table, lists).tolist() == inside
    assert asked.reads == {"shop", "occurred_at"}
    but = [shop is not None and not found for (shop, _), found in zip(rows, inside, strict=True)]
    assert parse('shop not in lists["l"]', NAMES, hash_of).matches(table, lists).tolist() == but


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not an expression"),
        ("a >", "not an expression"),
        ("a = 1", "not an expression"),
        ("amount > 1", "no field or feature"),
        ("a", "a number, where true"),
        ("a and b > 1", "a number, where true"),
        ('a > "x"', ("have no order")),
        ('a == "x"', "cannot be"),
        ("shop > 1", "have no order"),
        ("shop == 1", "cannot be"),
        ('channel == "SEA"', ("never 'SEA'")),
        ('shop < "x"', "have no order"),
        ("a / 0 > 1", "divides by zero"),
        ("a ** 9 > 1", "not allowed"),
        ("a % 2 == 1", ("not allowed")),
        (("f(a) > 1"), ("not allowed")),
        ('__import__("os").system("x")', "not allowed"),
        ("a.real > 1", "not allowed"),
        (("[a for a in b]"), ("not allowed")),
        ("lambda: a", "not allowed"),
        ("(a := 5) > 1", "not allowed"),
        ("a if b > 1 else a", ("not allowed")),
        ("shop in lists[a]", "in quotes"),
        ('a in lists["bad"]', "lists hold texts"),
        (('shop in other["bad"]'), ("no list")),
        ("shop in shop", "no list of values"),
        ("a is b", "asks for None only"),
        ("a + shop > 1", ("a text, where a number")),
        ("9" * 400 + " > a", "too many digits"),
        ("a > 1 " + "and a > 1 " * 300, "characters"),
        ("a>1" + " or a>1" * 150, "parts"),
        ("(" * 1500 + "a" + ")" * 400, "not an expression"),
        ("not " * 60 + ("a > 1"), "nested"),
        ("'" + "x" * 3000 + "' == shop", "characters"),
        ("a > True", "have no order"),
        ("a > 1j", "not allowed"),
        ("a\x00 > 1", "not an expression"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse(text, NAMES, hash_of)


NUMBERS = st.one_of(st.none(), st.integers(-3, 3).map(float))
NUMBER_TEXT = st.recursive(
    st.one_of(st.sampled_from(["a", "b"]), st.integers(0, 3).map(str)),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    max_leaves=4,
)
TRUTH_TEXT = st.recursive(
    st.tuples(NUMBER_TEXT, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), NUMBER_TEXT).map(
        " ".join
    ),
    lambda inner: st.one_of(
        inner.map(lambda t: f"(not {t})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
    ),
    max_leaves=4,
)


class _Missing(Exception):
    """A part of a comparison is not there."""


def _naive(text: str, row: dict[str, Any]) -> bool:
    """The same by Python's own evaluation of a comparison; anything missing or divided by zero
    makes it false.
    """
    import ast

    def number(node: ast.expr) -> float:
        if isinstance(node, ast.Name):
            if row[node.id] is None:
                raise _Missing
            return float(row[node.id])
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        assert isinstance(node, ast.BinOp)
        left, right = number(node.left), number(node.right)
        if isinstance(node.op, ast.Div):
            if right == 0:
                raise _Missing
            return left / right
        return (
            left + right
            if isinstance(node.op, ast.Add)
            else left - right
            if isinstance(node.op, ast.Sub)
            else left * right
        )

    def truth(node: ast.expr) -> bool:
        if isinstance(node, ast.BoolOp):
            values = [truth(value) for value in node.values]
            return all(values) if isinstance(node.op, ast.And) else any(values)
        if isinstance(node, ast.UnaryOp):
            return not truth(node.operand)
        assert isinstance(node, ast.Compare)
        try:
            a, b = number(node.left), number(node.comparators[0])
        except _Missing:
            return False
        order = {
            ast.Lt: a < b,
            ast.LtE: a <= b,
            ast.Eq: a == b,
            ast.NotEq: a != b,
            ast.Gt: a > b,
            ast.GtE: a >= b,
        }
        return order[type(node.ops[0])]

    return truth(ast.parse(text, mode="eval").body)


@settings(max_examples=300, deadline=None)
@given(text=TRUTH_TEXT, rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_random_expressions_mean_what_python_says(text: str, rows: list[Any]) -> None:
    table = Table([{"a": a, "b": b, "shop": None, "channel": None} for a, b in rows])
    if re.search(r"/ 0\W", text):
        with pytest.raises(RuleError, match="divides by zero"):
            parse(text, NAMES, hash_of)
        return
    found = parse(text, NAMES, hash_of)
    assert found.matches(table, {}).tolist() == [_naive(text, row) for row in table.rows]


def test_names_are_the_contracts_fields_the_features_and_the_score() -> None:
    names = names_of(STANDARD)
    assert (
        names["score"].kind
        is names["customer_count_1h"].kind
        is names["base_amount_minor"].kind
        is Kind.NUMBER
    )
    assert names["terminal_id"].kind is Kind.TEXT
    assert "ECOM" in names["channel"].symbols
    assert names["mcc"].kind is names["occurred_at"].kind is Kind.NUMBER


GOOD = {"id": "r", "when": "base_amount_minor > 5", "action": "REVIEW", "reason": "RULE_R"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "needs an id"),
        ({"id": 5}, "needs an id"),
        ({"when": None}, ("r: it needs when")),
        ({"action": "STOP"}, "r: action is"),
        ({"max_share": 0}, "max_share"),
        ({"max_share": True}, "max_share"),
        ({"version": 0}, "version"),
        ({"then": 1}, "then is not one of"),
        ({"when": "x > 1"}, "r: there is no field or feature x"),
        ({"reason": ""}, "needs reason"),
    ],
)
def test_a_rule_with_a_wrong_part_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RuleError, match=words):
        read_rule({**GOOD, **change}, names_of(STANDARD))


def test_rules_are_at_least_one_and_each_once() -> None:
    for given_rules, words in (
        ([], "at least one"),
        ("x", "at least one"),
        ([GOOD, GOOD], "there twice"),
        ([5], "mapping"),
    ):
        with pytest.raises(RuleError, match=words):
            read_rules(given_rules, names_of(STANDARD))
