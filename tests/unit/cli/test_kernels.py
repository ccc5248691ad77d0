"""The set-up compiles every kernel: none is compiled by a service's first start."""

import subprocess
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[3] / "services"
IMPORTED = "import sys, riskstream.cli.kernels; print(*sys.modules)"


def test_the_set_up_knows_the_modules_of_all_kernels() -> None:
    declaring = {
        ".".join(path.relative_to(SERVICES).with_suffix("").parts)
        for path in SERVICES.rglob("*.py")
        if "\n@kernel(" in path.read_text()
    }
    given = [sys.executable, "-c", IMPORTED]
    imported = subprocess.run(given, check=True, capture_output=True, text=True).stdout.split()
    assert len(declaring) > 10
    assert declaring <= set(imported)
