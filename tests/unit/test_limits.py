"""How large a class, a function, a list of parameters and a line may be, over the whole package."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.support.source import decorators, functions, lines_of, parameters_of

from riskstream.cli.main import root

PACKAGE = Path(__file__).resolve().parents[2] / "services" / "riskstream"
MOST = {"class": 200, "function": 60, "parameters": 6, "line": 100}
"""Lines of a class and of a function; parameters without `self`; characters of a line."""
KERNELS = {"kernel", "njit"}
"""Decorators of what numba compiles: one flat loop and its inlined steps, which take arrays."""
GENERATED = "records.py"
_PRAGMA = re.compile(r"\s*# (?:type: ignore|noqa)\b.*$")


def _over(path: str, text: str, commands: frozenset[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    """(place and kind, size) of what is over a limit. `commands`: (file, function) of click's."""
    tree = ast.parse(text)
    sizes = [
        (each.name, "class", lines_of(each))
        for each in ast.walk(tree)
        if isinstance(each, ast.ClassDef)
    ]
    for name, each in functions(tree):
        if KERNELS & set(decorators(each)):
            continue
        sizes.append((name, "function", lines_of(each)))
        if (path, name) not in commands:
            sizes.append((name, "parameters", parameters_of(each)))
    for number, line in enumerate(text.splitlines(), 1):
        sizes.append((str(number), "line", len(_PRAGMA.sub("", line))))
    yield from ((f"{path}:{name}: {kind}", size) for name, kind, size in sizes if size > MOST[kind])


def _commands(command: click.Command) -> Iterator[tuple[str, str]]:
    """(file, function) of each command of `riskstream`, of which click fills the parameters."""
    if command.callback is not None:
        module = importlib.import_module(command.callback.__module__)
        path = Path(str(module.__file__)).relative_to(PACKAGE)
        yield str(path), command.callback.__qualname__
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from _commands(below)


def test_classes_functions_parameters_and_lines_have_limits() -> None:
    commands = frozenset(_commands(root))
    assert len(commands) > 40
    over = {
        where: size
        for path in PACKAGE.rglob("*.py")
        if path.name != GENERATED
        for where, size in _over(str(path.relative_to(PACKAGE)), path.read_text(), commands)
    }
    assert over == {}, "split it by idea"


_EIGHT = "a, b, c, d, e, f, g, h"


@pytest.mark.parametrize(
    "text",
    [
        f"def poll_kernel({_EIGHT}):\n    pass\n",
        f"@app.command_of('click')\ndef start({_EIGHT}):\n    pass\n",
        f"class A:\n    if True:\n        def start(self, {_EIGHT}):\n            pass\n",
        "def start(a, b, c, d, e, *f, **g):\n    pass\n",
        "def poll_kernel():\n" + "    pass\n" * 61,
        "class A:\n" + "    a = 1\n" * 201,
        "a = '" + "a" * 100 + "'\n",
    ],
)
def test_what_is_over_a_limit_is_found_by_no_other_name(text: str) -> None:
    assert len(list(_over("lanes/poll_kernel.py", text, frozenset()))) == 1


def test_half_of_the_files_are_under_100_lines() -> None:
    sizes = sorted(
        len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
        if path.name != GENERATED
    )
    assert sizes[len(sizes) // 2] <= 100
