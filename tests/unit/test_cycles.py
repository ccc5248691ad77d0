"""No module of the package imports another that imports it, over however many steps."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from tests.support.source import imports

SERVICES = Path(__file__).resolve().parents[2] / "services"
KNOWN = {
    (
        "riskstream.domain.risk.features.owned.corrections",
        "riskstream.domain.risk.features.owned.table",
    )
}
"""(from, to): `correct` works on the table that calls it, and imports its type for the checker
alone. A port of a dozen arrays would say no more.
"""


def _modules() -> dict[str, Path]:
    found = {}
    for path in (SERVICES / "riskstream").rglob("*.py"):
        parts = path.relative_to(SERVICES).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _graph(texts: dict[str, str]) -> dict[str, set[str]]:
    """What each module imports of the others; imports for the type checker count as well."""
    graph: dict[str, set[str]] = {}
    for name, text in texts.items():
        needed = set()
        for _, full in imports(ast.parse(text)):
            module = full if full in texts else full.rpartition(".")[0]
            if module in texts and module != name:
                needed.add(module)
        graph[name] = needed
    return graph


def test_no_modules_import_each_other() -> None:
    graph = _graph({name: path.read_text() for name, path in _modules().items()})
    for module, needed in KNOWN:
        assert needed in graph[module], "it is no cycle any more: take it off the list"
        graph[module].remove(needed)
    assert len(graph) > 300
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_a_cycle_over_three_modules_is_found() -> None:
    texts = {
        "a": "from b import x",
        "b": "def f():\n    import c",
        "c": "if TYPE_CHECKING:\n    from a import y",
    }
    with pytest.raises(CycleError):
        TopologicalSorter(_graph(texts)).prepare()
