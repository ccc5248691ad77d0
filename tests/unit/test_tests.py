"""Tests and load tests keep apart: what two share is public, and no test counts on a place in a
vector.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.source import functions, imports

ROOT = Path(__file__).resolve().parents[2]
TIERS = ("tests.unit", "tests.integration", "tests.e2e", "tests.model.test_")
VECTORS = {"features", "vector", "previous_vector"}


def _files() -> list[Path]:
    return sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "loadtests").rglob("*.py")])


def _borrowed(tree: ast.AST) -> Iterator[str]:
    """Imports from a test, and of private names of ours."""
    for line, name in imports(tree):
        of_ours = name.split(".")[0] in ("tests", "loadtests", "riskstream")
        is_private = any(each.startswith("_") and each != "__main__" for each in name.split("."))
        if f"{name}.".startswith(tuple(f"{each}." for each in TIERS[:3])) or (
            name.startswith(TIERS[3]) or (of_ours and is_private)
        ):
            yield f"{line}: {name}"


def test_no_test_imports_another_or_a_private_name() -> None:
    """What two tests share stands in tests/support, under a public name."""
    found = [
        f"{path.relative_to(ROOT)}:{each}"
        for path in _files()
        for each in _borrowed(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "from tests.support.x import (\n    _y,\n)",
        "from tests.unit.domain.risk.test_profiles import SHOP",
        "import tests.integration.test_http as http",
        "from riskstream.cli.labels import (a, _read)",
        "from riskstream.cli._hidden import read",
        "def f():\n    from loadtests.proof.run import _one",
    ],
)
def test_a_borrowed_name_is_found(text: str) -> None:
    assert len(list(_borrowed(ast.parse(text)))) == 1


def _decodes_scores(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = ast.unparse(node.func)
    given = [ast.unparse(each) for each in node.args]
    return name == "codec('score.v1').decode" or (
        name in ("ColumnDecoder", "decoded") and any("'score.v1'" in each for each in given)
    )


def test_tests_of_whole_services_read_scores_by_the_shared_reader() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{ast.unparse(node)}"
        for tier in ("integration", "e2e")
        for path in sorted((ROOT / "tests" / tier).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if _decodes_scores(node)
    ]
    assert found == [], "platform/kafka/accepted.py has AcceptedScores and score_of"


def _is_vector(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.NamedExpr):
        return _is_vector(node.value, names)
    if isinstance(node, ast.Attribute):  # `STANDARD.features` are declarations
        return node.attr in VECTORS - {"features"}
    if not isinstance(node, ast.Subscript):
        return False
    return isinstance(node.slice, ast.Constant) and node.slice.value in VECTORS


def _is_place(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_place(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _by_place(function: ast.AST) -> Iterator[str]:
    """Reads of a vector at a fixed place, directly or through a name that was given to it."""
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_vector(node.value, set()):
            for each in node.targets:
                if isinstance(each, ast.Name):
                    names.add(each.id)
                else:
                    yield f"{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.NamedExpr) and _is_vector(node.value, set()):
            names.add(node.target.id)
    for node in ast.walk(function):
        if not isinstance(node, ast.Subscript):
            continue
        if _is_place(node.slice) and _is_vector(node.value, names):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_no_test_reads_a_vector_by_place() -> None:
    """A feature has a name (tests/support/vectors.py): a set that grows breaks no test that does
    not care.
    """
    found = [
        f"{path.relative_to(ROOT)}:{each}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for _, function in functions(ast.parse(path.read_text()))
        for each in _by_place(function)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'score["features"][1]',
        'vector = score["features"]\nassert vector[\n    -1\n]',
        "seen = record.vector\nassert seen[0] == 1",
        'first, second = score["vector"]',
        'if (found := score["features"])[2]:\n    pass',
    ],
)
def test_a_read_by_place_is_found(text: str) -> None:
    assert list(_by_place(ast.parse(text)))
