"""One table of exit codes: docs/exit-codes.md shows it, and no code stands beside it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from riskstream.cli.main import root
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import MEANINGS, Exit
from riskstream.runtime.run import run_main

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "services" / "riskstream"
ENDS = {"SystemExit", "exit", "_exit"}
ON_ITS_OWN = {"workbench/local/guard.py", "domain/contracts/generate.py"}
"""A process that needs only Python's own library, and one that `make gen` runs."""


def _own_codes(tree: ast.AST) -> Iterator[str]:
    """Places that give a code as a number: to an error, to the process's end, or from a function
    that says it returns one.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            given = [each.value for each in node.keywords if each.arg == "exit_code"]
            if ast.unparse(node.func).rpartition(".")[2] in ENDS:
                given += node.args
        elif isinstance(node, ast.FunctionDef) and _ends_the_process(node):
            ends = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
            given = [each.value for each in ends if each.value is not None]
        else:
            continue
        for each in given:
            for part in ast.walk(each):
                if isinstance(part, ast.Constant) and type(part.value) is int:
                    yield f"{part.lineno}: {ast.unparse(node)[:60]}"


def _ends_the_process(function: ast.FunctionDef) -> bool:
    is_command = any("command" in ast.unparse(each) for each in function.decorator_list)
    returned = "" if function.returns is None else ast.unparse(function.returns)
    return returned == "Exit" or (returned == "int" and (is_command or function.name == "main"))


def test_no_code_is_given_as_a_number() -> None:
    found = [
        f"{name}:{each}"
        for path in PACKAGE.rglob("*.py")
        if (name := str(path.relative_to(PACKAGE))) not in ON_ITS_OWN
        for each in _own_codes(ast.parse(path.read_text()))
    ]
    assert found == [], "give one of runtime/exits.py"


@pytest.mark.parametrize(
    "text",
    [
        "raise Fatal(what='', where='', do='', exit_code=2)",
        "raise SystemExit(1)",
        "import os\nos._exit(70)",
        "def main() -> int:\n    return 1 if failed else 0",
        "@command.command()\ndef check() -> int:\n    return 1",
        "def check() -> Exit:\n    return 1",
    ],
)
def test_a_code_that_stands_beside_the_table_is_found(text: str) -> None:
    assert list(_own_codes(ast.parse(text)))


def test_every_code_has_a_meaning_and_the_help_lists_it() -> None:
    assert list(MEANINGS) == list(Exit)
    assert len({word for word, *_ in MEANINGS.values()}) == len(Exit)
    said = " ".join(CliRunner().invoke(root, ["--help"]).output.split())
    for code, (word, *_) in MEANINGS.items():
        assert f"{code:d} {word}" in said


def test_the_page_is_what_the_table_says() -> None:
    lines = (ROOT / "docs/exit-codes.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert rows == [[f"{code:d}", *said] for code, said in MEANINGS.items()]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Fatal(what="a", where="b", do="c"), Exit.NO, "error: a (b): c\n"),
        (Fatal(what="a", where="b", do="c", exit_code=Exit.INPUT), Exit.INPUT, "error: a (b): c\n"),
        (
            Retryable(what="a", where="b"),
            Exit.UNAVAILABLE,
            "error: a (b): start it again once that is available\n",
        ),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted\n"),
    ],
)
def test_an_error_is_one_sentence_and_its_code(
    error: BaseException, code: Exit, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_main(fails)
    assert ended.value.code == code
    assert capsys.readouterr().err == said
