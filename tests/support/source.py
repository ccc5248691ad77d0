"""What a Python file says, read as a tree: its imports, and the size of its parts."""

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, full name) of each import, wherever it stands, over as many lines as it may."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{each.name}") for each in node.names)


def functions(tree: ast.AST, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Function]]:
    """(name with those around it, function) of each function and method."""
    for each in ast.iter_child_nodes(tree):
        if isinstance(each, Function):
            yield ".".join((*names, each.name)), each
        here = (*names, each.name) if isinstance(each, ast.ClassDef | Function) else names
        yield from functions(each, here)


def lines_of(node: ast.ClassDef | Function) -> int:
    """Lines of a class or function, without its decorators."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def parameters_of(function: Function) -> int:
    """Parameters without `self` and `cls`; `*args` and `**kwargs` are one each."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return sum(each is not None and each.arg not in ("self", "cls") for each in named)


def decorators(function: Function) -> list[str]:
    """What a function's decorators are, without what they are given: `kernel`, `click.command`."""
    found = [each.func if isinstance(each, ast.Call) else each for each in function.decorator_list]
    return [ast.unparse(each) for each in found]
