"""The language of rules: a typed expression is parsed, checked against the names there are, and
compiled to numpy.

The syntax is Python's expressions, read by the standard library's parser and never evaluated by it;
what is allowed:

- names of the transaction's fields, of inputs and features, `hour`, `weekday` and `score`; numbers,
  texts in quotes;
- `and`, `or`, `not`; `==`, `!=`, `<`, `<=`, `>`, `>=` (also in chains); `+`, `-`, `*`, `/` on
  numbers;
- `channel in ("ECOM", "MOBILE")`; `terminal_id in lists["blocked-terminals"]`; `mcc is None`, `mcc
  is not None`.

A value that is not there (null, or a feature that is NaN, or a division by zero) makes a comparison
false, whichever it is; `is None` asks for it. Every operation is done on whole columns: cost is
bounded by the number of nodes.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.rules.inputs import FIELD_OF, computed
from riskstream.domain.risk.rules.listed import NOTHING, Members
from riskstream.domain.risk.rules.names import (
    ARITHMETIC,
    Kind,
    Name,
    RuleError,
    Scope,
    as_float,
    constant,
    kinds_of,
    shown,
)

MAX_LENGTH = 2000
MAX_NODES = 200
MAX_DEPTH = 40


class Rows(Protocol):
    """n transactions by column. Texts are hashes (key_kernel); symbols are indices of their
    enum.
    """

    def __len__(self) -> int: ...

    def numbers(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(values, which are there)."""

    def hashes(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """(hashes of texts, which are there)."""


Lists = Mapping[str, Members]
Hash = Callable[[str], int]
_Number = Callable[[Rows], tuple[NDArray[np.float64], NDArray[np.bool_]]]
_Truth = Callable[[Rows, Lists], NDArray[np.bool_]]

_COMPARE: dict[
    type[ast.cmpop], Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_ARITHMETIC: dict[type[ast.operator], Callable[..., NDArray[np.float64]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A checked expression: `matches` gives the rows it is true of; `lists` are the lists it uses,
    `names` what it says. `reads`: what rows must give for it, like `occurred_at` for `hour` and for
    lists.
    """

    text: str
    matches: _Truth
    names: frozenset[str]
    reads: frozenset[str]
    lists: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """A checked expression that gives a value a row: either `number` or `truth` is there, and the
    other is None. `names`: what it reads, with the type that it takes each for.
    """

    text: str
    number: _Number | None
    truth: _Truth | None
    names: Mapping[str, Kind]


def parse(text: str, names: Mapping[str, Name], hash_of: Hash) -> Expression:
    """Check and compile. RuleError where it is too long or deep, names what is not there, or mixes
    types.
    """
    tree = _checked(text)
    scope = Scope(names)
    matches = _Compiler(scope, hash_of).truth(tree.body)
    return Expression(
        text=text.strip(),
        matches=matches,
        names=frozenset(scope.seen),
        reads=_reads(scope),
        lists=frozenset(scope.lists),
    )


def computation(text: str, hash_of: Hash) -> Computation:
    """Check and compile an expression over names that nobody has declared: one that is compared
    with a text, or only asked whether it is there, is a text, and any other a number. RuleError as
    `parse`, and where it asks a list.
    """
    tree = _checked(text)
    names = kinds_of(tree.body)
    scope = Scope({name: Name(kind=kind) for name, kind in names.items()})
    compiler, kind = _Compiler(scope, hash_of), scope.kind(tree.body)
    number = compiler.number(tree.body) if kind is Kind.NUMBER else None
    truth = compiler.truth(tree.body) if kind is Kind.TRUTH else None
    if number is None and truth is None:
        raise RuleError(f"{shown(tree.body)} is {kind.value}, not a number and not true or false")
    if scope.lists:
        raise RuleError("lists belong to rules, and there are none here")
    return Computation(text=text.strip(), number=number, truth=truth, names=names)


def _checked(text: str) -> ast.Expression:
    """The expression's parts. RuleError where it is none, or too long or deep."""
    if len(text) > MAX_LENGTH:
        raise RuleError(f"it has {len(text):,} characters, {MAX_LENGTH:,} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = (
            f" at character {error.offset}"
            if isinstance(error, SyntaxError) and error.offset
            else ""
        )
        raise RuleError(f"it is not an expression{where}") from error
    count = sum(1 for _ in ast.walk(tree))
    if count > MAX_NODES:
        raise RuleError(f"it has {count} parts, {MAX_NODES} are allowed")
    if _depth(tree) > MAX_DEPTH:
        raise RuleError(f"it is nested more than {MAX_DEPTH} deep")
    return tree


def _reads(scope: Scope) -> frozenset[str]:
    read = {"occurred_at"} if scope.lists else set()
    for name in scope.seen:
        which = scope.names[name].input
        read.add(name if which is None else FIELD_OF[which])
    return frozenset(read)


def _depth(node: ast.AST) -> int:
    return 1 + max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)


class _Compiler:
    def __init__(self, scope: Scope, hash_of: Hash) -> None:
        self._scope, self._hash = scope, hash_of

    def truth(self, node: ast.expr) -> _Truth:
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value) for value in node.values]
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or

            def joined(rows: Rows, lists: Lists) -> NDArray[np.bool_]:
                out = parts[0](rows, lists)
                for part in parts[1:]:
                    out = join(out, part(rows, lists))
                return out

            return joined
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand)
            return lambda rows, lists: ~inner(rows, lists)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            links = [
                self._link(a, op, b)
                for a, op, b in zip(sides[:-1], node.ops, sides[1:], strict=True)
            ]

            def all_links(rows: Rows, lists: Lists) -> NDArray[np.bool_]:
                out = links[0](rows, lists)
                for link in links[1:]:
                    out = out & link(rows, lists)
                return out

            return all_links
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            value = node.value
            return lambda rows, _lists: np.full(len(rows), value)
        raise RuleError(
            f"{shown(node)} is {self._scope.kind(node).value}, where true or false is asked for"
        )

    def _link(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Truth:
        if isinstance(op, ast.Is | ast.IsNot):
            return self._is_none(left, right, isinstance(op, ast.IsNot))
        if isinstance(op, ast.In | ast.NotIn):
            inside = self._inside(left, right)
            return inside if isinstance(op, ast.In) else self._present_but(left, inside)
        kinds = self._scope.kind(left), self._scope.kind(right)
        if kinds == (Kind.NUMBER, Kind.NUMBER):
            if isinstance(op, ast.Eq | ast.NotEq):
                self._scope.check_equal(left, right)
            a, b, compare = self.number(left), self.number(right), _COMPARE[type(op)]

            def compared(rows: Rows, _lists: Lists) -> NDArray[np.bool_]:
                (x, x_there), (y, y_there) = a(rows), b(rows)
                return compare(x, y) & x_there & y_there

            return compared
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise RuleError(
                f"{shown(left)} and {shown(right)} have no order: {kinds[0].value}, "
                f"{kinds[1].value}"
            )
        if isinstance(left, ast.Constant):
            left, right = right, left
        inside = self._inside(left, ast.Tuple([right]))
        return inside if isinstance(op, ast.Eq) else self._present_but(left, inside)

    def _is_none(self, left: ast.expr, right: ast.expr, is_not: bool) -> _Truth:
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise RuleError(f"`is` asks for None only, not {shown(right)}")
        there = self._there(left)
        return (lambda rows, _: there(rows)) if is_not else (lambda rows, _: ~there(rows))

    def _present_but(self, left: ast.expr, inside: _Truth) -> _Truth:
        there = self._there(left)
        return lambda rows, lists: there(rows) & ~inside(rows, lists)

    def _there(self, node: ast.expr) -> Callable[[Rows], NDArray[np.bool_]]:
        if self._scope.kind(node) is Kind.NUMBER:
            number = self.number(node)
            return lambda rows: number(rows)[1]
        name = self._scope.named(node)
        kind = self._scope.names[name].kind
        return lambda rows: rows.hashes(name)[1] if kind is Kind.TEXT else rows.numbers(name)[1]

    def _values(self, name: str) -> _Number:
        """The numbers of a name, or the indices of its symbols."""
        which = self._scope.names[name].input
        if which is None:
            return lambda rows: rows.numbers(name)
        field = FIELD_OF[which]

        def of_field(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
            values, there = rows.numbers(field)
            return computed(which, values), there

        return of_field

    def _inside(self, left: ast.expr, right: ast.expr) -> _Truth:
        """Is a name one of some constants, or in a list?"""
        name = self._scope.named(left)
        known = self._scope.names[name]
        if isinstance(right, ast.Subscript):
            return self._in_list(name, known, right)
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise RuleError(
                f'{shown(right)} is no list of values; write (..., ...) or lists["name"]'
            )
        values = [constant(each, name, known) for each in right.elts]
        if known.kind is Kind.TEXT:
            wanted = np.array(sorted(self._hash(str(value)) for value in values), np.uint64)

            def one_of(rows: Rows, _lists: Lists) -> NDArray[np.bool_]:
                found, there = rows.hashes(name)
                return np.isin(found, wanted) & there

            return one_of
        numbers = [
            known.symbols.index(str(v)) if known.kind is Kind.SYMBOL else float(v) for v in values
        ]
        read = self._values(name)

        def one_number(rows: Rows, _lists: Lists) -> NDArray[np.bool_]:
            found, there = read(rows)
            return np.isin(found, numbers) & there

        return one_number

    def _in_list(self, name: str, known: Name, node: ast.Subscript) -> _Truth:
        if not (isinstance(node.value, ast.Name) and node.value.id == "lists"):
            raise RuleError(f'{shown(node)} is no list; write lists["name"]')
        if not (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)):
            raise RuleError(f"{shown(node)} must name its list in quotes")
        if known.kind is not Kind.TEXT:
            raise RuleError(f"{name} is {known.kind.value}; lists hold texts")
        wanted = node.slice.value
        self._scope.lists.add(wanted)

        def listed(rows: Rows, lists: Lists) -> NDArray[np.bool_]:
            found, there = rows.hashes(name)
            held = lists.get(wanted, NOTHING)
            return held.hold(found, lambda: rows.numbers("occurred_at")[0]) & there

        return listed

    def number(self, node: ast.expr) -> _Number:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            value = as_float(node.value)
            return lambda rows: (np.full(len(rows), value), np.ones(len(rows), np.bool_))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.number(node.operand)

            def negative(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
                value, there = inner(rows)
                return -value, there

            return negative
        if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
            return self._arithmetic(node)
        if isinstance(node, ast.Name):
            name = self._scope.named(node)
            if self._scope.names[name].kind is Kind.NUMBER:
                return self._values(name)
        found = self._scope.kind(node).value
        raise RuleError(f"{shown(node)} is {found}, where a number is asked for")

    def _arithmetic(self, node: ast.BinOp) -> _Number:
        if (
            isinstance(node.op, ast.Div)
            and isinstance(node.right, ast.Constant)
            and node.right.value == 0
        ):
            raise RuleError(f"{shown(node)} divides by zero")
        a, b, work = self.number(node.left), self.number(node.right), _ARITHMETIC[type(node.op)]

        def worked(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
            (x, x_there), (y, y_there) = a(rows), b(rows)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                out = work(x, y)
            return out, x_there & y_there & np.isfinite(out)

        return worked
