"""The house's own rules, checked over the tree."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def test_half_of_the_files_are_under_100_lines() -> None:
    # that one is generated
    written = [path for path in (ROOT / "services").rglob("*.py") if path.name != "records.py"]
    sizes = sorted(len(path.read_text().splitlines()) for path in written)
    assert sizes[len(sizes) // 2] <= 100


MOST = {"class": 200, "function": 60, "parameters": 6}
"""Lines of a class and of a function; parameters without `self`, of what is neither a kernel nor a
command.
"""


def _sizes(
    path: Path, node: ast.AST, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, str], int]]:
    """((place, kind), size) of each class and function of a file."""
    for each in ast.iter_child_nodes(node):
        if not isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        assert each.end_lineno is not None
        here = (*names, each.name)
        place = f"{path.relative_to(ROOT / 'services' / 'riskstream')}:{'.'.join(here)}"
        lines = each.end_lineno - each.lineno + 1
        if isinstance(each, ast.ClassDef):
            yield (place, "class"), lines
        elif not each.name.endswith("_kernel"):
            yield (place, "function"), lines
            if not any(
                "click" in ast.unparse(by) or "command" in ast.unparse(by)
                for by in each.decorator_list
            ):
                given = [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs]
                yield (place, "parameters"), sum(one.arg not in ("self", "cls") for one in given)
        yield from _sizes(path, each, here)


def test_classes_functions_and_parameters_have_limits() -> None:
    files = [path for path in (ROOT / "services").rglob("*.py") if path.name != "records.py"]
    over = {
        where: size
        for path in files
        if not path.name.endswith("kernel.py")
        for where, size in _sizes(path, ast.parse(path.read_text()))
        if size > MOST[where[1]]
    }
    assert over == {}, "split it by idea"


IMPURE = ("logging", "structlog", "prometheus_client", "telemetry")
"""What a core may not import: it says what it saw through an Observer, and the shell counts and
logs.
"""
PLAIN = ("telemetry.context", "telemetry.group_lag")
"""What it may: a trace's name and a group's lag are values that records carry, and reach no
library.
"""
CORES = (
    "core.py",
    "ports.py",
    "fold.py",
    "scoring.py",
    "shuffle.py",
    "owned.py",
    "restore.py",
    "unread.py",
)


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def _has(module: str, names: tuple[str, ...]) -> bool:
    return any(f".{each}." in f".{module}." for each in names)


def test_cores_and_risk_neither_log_nor_count() -> None:
    services = ROOT / "services" / "riskstream"
    files = [
        path
        for path in services.rglob("*.py")
        if path.name in CORES or "risk" in path.relative_to(services).parts
    ]
    found = [
        f"{path.relative_to(services)}:{line}: {module}"
        for path in files
        for line, module in _imports(path)
        if _has(module, IMPURE) and not _has(module, PLAIN)
    ]
    assert len(files) > 40
    assert found == [], "give it an Observer (runtime/observer.py)"


@pytest.mark.parametrize("module", PLAIN)
def test_what_cores_may_have_of_telemetry_reaches_no_library(module: str) -> None:
    (path,) = (ROOT / "services" / "riskstream").rglob(f"{module.replace('.', '/')}.py")
    assert [each for _, each in _imports(path) if _has(each, IMPURE[:3])] == []


def test_no_machines_path_registry_host_or_large_file_is_in_the_tree() -> None:
    hosts = "|".join(
        [
            "pypi" + r"\.org",
            "pythonhosted" + r"\.org",
            "repo1" + r"\.maven",
            "registry" + r"\.npmjs",
            "files" + r"\.pyth",
        ]
    )
    paths = "|".join(["/" + name + "/" for name in ("wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]+")])
    pattern = re.compile(rf"{hosts}|(?:^|[\s\"'=(`])(?:{paths})")
    for path in _tracked():
        raw = path.read_bytes()
        assert len(raw) <= 1_000_000, path
        for number, line in enumerate(raw.decode("utf-8", errors="replace").splitlines(), 1):
            assert not pattern.search(line), f"{path.relative_to(ROOT)}:{number}: {line[:100]}"


def test_every_requirement_is_hashed() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert text.count("--hash=sha256:") >= len(re.findall(r"^\S+==", text, re.M)), path


def test_importing_the_package_starts_nothing() -> None:
    import sys

    code = (
        "import threading, riskstream.scorer.core, riskstream.platform.kafka.lanes.exact.lane;"
        "import riskstream.tracker.core, riskstream.gateway.app;"
        "from riskstream.runtime.kernel import _KERNELS;"
        "assert threading.active_count() == 1 and all(k._compiled is None for k in _KERNELS)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_examples_have_20_lines() -> None:
    for path in (ROOT / "examples").glob("*.py"):
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        assert len(lines) <= 24, path


def test_no_test_imports_another() -> None:
    """What two tests share stands in tests/support, under a public name."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for line in path.read_text().splitlines():
            if re.match(r"\s*(?:from|import) tests\.(?:unit|integration|e2e)\b", line) or re.match(
                r"from tests\.support\.\S+ import .*\b_", line
            ):
                found.append(f"{path.relative_to(ROOT)}: {line}")
    assert found == []


def test_no_test_reads_a_vector_by_place() -> None:
    """A feature has a name (tests/support/vectors.py): a set that grows breaks no test that does
    not care.
    """
    by_place = re.compile(r"""["'](?:features|vector|previous_vector)["']\]\[-?\d""")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in path.read_text().splitlines()
        if by_place.search(line)
    ]
    assert found == []


def test_what_starts_a_service_has_under_40_lines() -> None:
    """It names the steps of the start, top to bottom; what a process does stands in `process/`."""
    starts = list((ROOT / "services/riskstream").glob("*/__main__.py"))
    assert len(starts) == 6
    assert [path for path in starts if len(path.read_text().splitlines()) >= 40] == []
