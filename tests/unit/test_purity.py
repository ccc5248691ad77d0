"""The domain and all of a service but its shell are pure: no log, metric, clock or chance."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.source import imports

PACKAGE = Path(__file__).resolve().parents[2] / "services" / "riskstream"
SERVICES = ("gateway", "lag", "profiler", "reporter", "scorer", "tracker")
IMPURE = {
    "a log": ("logging", "structlog", "warnings"),
    "a metric": ("prometheus_client", "telemetry"),
    "a clock": ("time", "runtime.clock", "runtime.machine", "runtime.waiting"),
    "chance": ("random", "secrets", "uuid"),
    "the environment": ("os", "runtime.environment"),
    "a thread, process or socket": ("threading", "concurrent", "subprocess", "socket", "asyncio"),
}
"""What a pure module may not import. A core says what it saw through an Observer, and the shell
counts and logs; time and chance come in as arguments.
"""
ALLOWED = ("telemetry.context", "telemetry.group_lag")
"""A trace's name and a group's lag are values that records carry, and reach no library."""
SHELLS = {
    "gateway": "__main__ answer_log answers app asking auth/guard auth/jwks auth/limits "
    "auth/live_keys auth/tls auth/tokens batches bulk deciding doors edge either handler "
    "http2/outgoing http2/protocol http2/requests http2/stream iso_door ladder_rules late "
    "listening once/flight once/many once/once once/opening once/shared pressure protocol "
    "rpc/calls rpc/certificates rpc/door rpc/health rpc/server rpc/stream rpc/traced sending "
    "serving spool traced waiting",
    "lag": "__main__ app",
    "profiler": "__main__ app stages",
    "reporter": "__main__ app rounds snapshot traced",
    "scorer": "__main__ app faust_app faust_reads faust_records faust_shell joining live_releases "
    "live_rules snapshots",
    "tracker": "__main__",
}
"""Modules of a service that join it to the world; every other one is pure."""
WAITS = "domain/contracts/writers.py"
"""`when_known` there asks `runtime/waiting.py` to call again: for commands, that have nothing else
to do until a schema is there.
"""
COMMAND = "domain/contracts/generate.py"
"""What `make gen` runs; it says what it wrote."""
NOW = {"now", "utcnow", "today"}
CALLS = {"print", "input", "open"}


def _has(module: str, names: tuple[str, ...]) -> bool:
    return any(f".{each}." in f".{module}." for each in names)


def _impure(tree: ast.AST) -> Iterator[str]:
    """What a module reaches of the world: by an import, or by a call of what it has without one."""
    for line, module in imports(tree):
        for what, names in IMPURE.items():
            if _has(module, names) and not _has(module, ALLOWED):
                yield f"{line}: {what}: {module}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in {*CALLS, "__import__"}:
            yield f"{node.lineno}: {node.func.id}"
        elif isinstance(node.func, ast.Attribute) and (
            (node.func.attr in NOW and "date" in ast.unparse(node.func.value))
            or node.func.attr in ("default_rng", "import_module")
        ):
            yield f"{node.lineno}: {ast.unparse(node.func)}"


def _pure_modules() -> list[Path]:
    found = [each for each in (PACKAGE / "domain").rglob("*.py") if each != PACKAGE / COMMAND]
    for service in SERVICES:
        shells = SHELLS[service].split()
        assert all((PACKAGE / service / f"{each}.py").is_file() for each in shells)
        inside = {
            path: path.relative_to(PACKAGE / service) for path in (PACKAGE / service).rglob("*.py")
        }
        found += [path for path, at in inside.items() if str(at.with_suffix("")) not in shells]
    return found


def test_the_domain_and_cores_are_pure() -> None:
    found = []
    modules = _pure_modules()
    for path in modules:
        name = str(path.relative_to(PACKAGE))
        found += [
            f"{name}:{each}"
            for each in _impure(ast.parse(path.read_text()))
            if not (name == WAITS and "runtime.waiting" in each)
        ]
    assert len(modules) > 100
    assert found == [], "give it an Observer (runtime/observer.py), the time or a seed"


@pytest.mark.parametrize(
    "text",
    [
        "import logging",
        "import time; NOW = time.time()",
        "from time import (\n    monotonic,\n)",
        "def judge():\n    import structlog",
        "from datetime import datetime\nAT = datetime.now()",
        "import datetime as d\nAT = d.datetime.utcnow()",
        "from riskstream.runtime.machine import now_ms",
        "from riskstream.platform.telemetry.metrics import LaneMetrics",
        "import os\nHOME = os.environ['HOME']",
        "import numpy as np\nRNG = np.random.default_rng()",
        "log = __import__('logging')",
    ],
)
def test_a_module_that_reaches_the_world_is_found(text: str) -> None:
    assert list(_impure(ast.parse(text)))


def test_every_service_is_looked_at() -> None:
    there = {path.parent.name for path in PACKAGE.glob("*/__main__.py")}
    assert there == set(SERVICES) == set(SHELLS)


@pytest.mark.parametrize("module", ALLOWED)
def test_what_cores_may_have_of_telemetry_reaches_no_library(module: str) -> None:
    (path,) = PACKAGE.rglob(f"{module.replace('.', '/')}.py")
    outside = (*IMPURE["a log"], "prometheus_client")
    assert [each for _, each in imports(ast.parse(path.read_text())) if _has(each, outside)] == []
