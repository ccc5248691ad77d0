"""What a rule may name: types of names, constants beside them, and what of it one expression
uses.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from riskstream.domain.risk.features.declare import Input
from riskstream.domain.risk.rules.inputs import MOST

ARITHMETIC = ast.Add | ast.Sub | ast.Mult | ast.Div
"""Operators on numbers."""


class Kind(Enum):
    """Type of a name or of a part of an expression."""

    NUMBER = "a number"
    TEXT = "a text"
    SYMBOL = "a symbol"
    TRUTH = "true or false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What may be named: its type and, of a symbol, what it can be. `input`: how it is computed,
    where no record holds it.
    """

    kind: Kind
    symbols: tuple[str, ...] = ()
    input: Input | None = None


class RuleError(Exception):
    """An expression that cannot be: `str` says what is wrong and where, in one clause."""


class Scope:
    """The names that there are, and of them those that an expression has `seen`; `lists` that it
    asks.
    """

    def __init__(self, names: Mapping[str, Name]) -> None:
        self.names = names
        self.seen: set[str] = set()
        self.lists: set[str] = set()

    def kind(self, node: ast.expr) -> Kind:
        """The type of a part. RuleError where it is nothing that a rule may have."""
        if isinstance(node, ast.Name):
            return self.names[self.named(node)].kind
        if isinstance(node, ast.Constant):
            if isinstance(node.value, bool):
                return Kind.TRUTH
            if isinstance(node.value, int | float):
                return Kind.NUMBER
            if isinstance(node.value, str):
                return Kind.TEXT
        if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
            return Kind.NUMBER
        if isinstance(node, ast.UnaryOp):
            return Kind.TRUTH if isinstance(node.op, ast.Not) else Kind.NUMBER
        if isinstance(node, ast.BoolOp | ast.Compare):
            return Kind.TRUTH
        raise RuleError(f"{shown(node)} is not allowed in a rule")

    def named(self, node: ast.expr) -> str:
        """The name that a part is. RuleError where it is none, or is not known."""
        if not isinstance(node, ast.Name):
            raise RuleError(f"{shown(node)} must be the name of a field or feature")
        if node.id not in self.names:
            raise RuleError(f"there is no field or feature {node.id}")
        self.seen.add(node.id)
        return node.id

    def check_equal(self, a: ast.expr, b: ast.expr) -> None:
        """RuleError where one of two numbers is a name, and the other one a constant that it never
        is.
        """
        for node, other in ((a, b), (b, a)):
            if isinstance(node, ast.Name) and isinstance(other, ast.Constant):
                constant(other, node.id, self.names[self.named(node)])


def kinds_of(tree: ast.expr) -> dict[str, Kind]:
    """The type of each name by how it is used: compared with texts, or asked whether it is there
    and nothing else, it is a text.
    """
    texts, numbers = set[str](), {tree.id} if isinstance(tree, ast.Name) else set[str]()
    names = {each.id: None for each in ast.walk(tree) if isinstance(each, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            numbers |= _named((node.left, node.right))
        elif isinstance(node, ast.UnaryOp):
            numbers |= _named((node.operand,))
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, op, right in zip(sides[:-1], node.ops, sides[1:], strict=True):
                if isinstance(op, ast.Is | ast.IsNot):
                    continue
                into = texts if _has_text(left) or _has_text(right) else numbers
                into |= _named((left, right))
    names.pop("lists", None)
    return {
        name: Kind.TEXT if name in texts or name not in numbers else Kind.NUMBER for name in names
    }


def _named(nodes: tuple[ast.expr, ...]) -> set[str]:
    return {each.id for each in nodes if isinstance(each, ast.Name)}


def _has_text(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in parts)


def constant(node: ast.expr, name: str, known: Name) -> str | float:
    """The value of a constant that a name is compared with. RuleError where their types differ, or
    the name never has it.
    """
    value = node.value if isinstance(node, ast.Constant) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if known.kind is Kind.NUMBER and is_number:
        number = as_float(value)  # type: ignore[arg-type]
        most = MOST.get(known.input) if known.input is not None else None
        if most is not None and number not in range(most + 1):
            raise RuleError(f"{name} is never {shown(node)}; it is a whole number from 0 to {most}")
        return number
    if known.kind in (Kind.TEXT, Kind.SYMBOL) and isinstance(value, str):
        if known.kind is Kind.SYMBOL and value not in known.symbols:
            raise RuleError(f"{name} is never {value!r}; it is one of {', '.join(known.symbols)}")
        return value
    raise RuleError(f"{name} is {known.kind.value} and cannot be {shown(node)}")


def as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise RuleError("a number has too many digits") from error


def shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else text[:57] + "..."
