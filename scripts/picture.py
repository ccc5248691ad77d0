"""Makes docs/evaluation.png: the page of a model that is trained on made-up transactions.

It needs Chromium: `apt-get install chromium`. Run `.venv/bin/python scripts/picture.py`.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train

OUT = Path(__file__).resolve().parent.parent / "docs" / "evaluation.png"
MOST_BYTES = 300_000
WIDTH, HEIGHT = 1040, 1310
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
]


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("error: chromium is missing (PATH): apt-get install chromium", file=sys.stderr)
        return 5
    with tempfile.TemporaryDirectory(prefix="riskstream-picture-") as name:
        folder = Path(name)
        pq.write_table(simulate(Simulation(seed=1, customers=4500, days=75)), folder / "in.parquet")
        train(read_dataset(folder / "in.parquet", STANDARD), STANDARD, FitSettings(), folder / "m")
        subprocess.run(
            [
                chromium,
                *FLAGS,
                f"--user-data-dir={folder / 'profile'}",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={OUT}",
                (folder / "m" / "card.html").as_uri(),
            ],
            check=True,
            capture_output=True,
        )
    size = OUT.stat().st_size
    print(f"{OUT}: {size:,} bytes")
    return 0 if size < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
