"""The house's own rules, checked over the tree."""

import re
import subprocess
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


def test_what_starts_a_service_has_under_40_lines() -> None:
    """It names the steps of the start, top to bottom; what a process does stands in `process/`."""
    starts = list((ROOT / "services/riskstream").glob("*/__main__.py"))
    assert len(starts) == 6
    assert [path for path in starts if len(path.read_text().splitlines()) >= 40] == []
