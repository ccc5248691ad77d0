"""docs/protocol.md names functions that exist, and every step that the code names."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "services" / "riskstream"
PAGE = (ROOT / "docs" / "protocol.md").read_text()
STEPS = re.findall(r"^\| ([A-Z]\d) \|", PAGE, re.M)
PROSE = (tokenize.COMMENT, tokenize.STRING)


def _places() -> list[tuple[str, str]]:
    """(file, function) of each cell: files in backquotes, each with its functions behind it."""
    found = []
    for cell in re.findall(r"^\| [A-Z]\d \|.*\| ([^|]+) \|$", PAGE, re.M):
        for part in cell.split(";"):
            path, *names = re.findall(r"`([^`]+)`", part)
            found += [(path, name) for name in names]
    return found


@pytest.mark.parametrize(("path", "name"), _places())
def test_each_function_of_the_protocol_stands_where_the_page_says(path: str, name: str) -> None:
    file = (ROOT if path.startswith("tests/") else PACKAGE) / path
    named = (ast.FunctionDef, ast.ClassDef)
    assert name in {
        each.name for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, named)
    }


def test_each_step_has_a_place_and_stands_once() -> None:
    assert len(STEPS) == len(set(STEPS)) == 21
    assert len(_places()) > len(STEPS)


def test_code_names_no_step_that_the_page_lacks() -> None:
    files = [
        *(PACKAGE / "platform" / "kafka" / "lanes").rglob("*.py"),
        PACKAGE / "platform" / "adapters" / "redis_state.py",
        ROOT / "tests/model/protocol.py",
    ]
    said = {}
    for file in files:
        with file.open("rb") as source:
            prose = " ".join(
                token.string for token in tokenize.tokenize(source.readline) if token.type in PROSE
            )
        said.update(dict.fromkeys(re.findall(r"\b[ABCIW]\d\b", prose), file.name))
    assert said.keys() - set(STEPS) == set()
    assert len(said) > 15
