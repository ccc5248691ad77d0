"""The page of the proofs keeps what an earlier run wrote, and shows a few counts of each."""

import json
from pathlib import Path

from loadtests.proof.page import shown, write_page


def _result(folder: Path, name: str, *, ok: bool, counts: dict[str, int]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(
        json.dumps(
            {"name": name, "on": "2026-11-28", "ok": ok, "seconds": 1234.5, "seed": 7}
            | {"counts": counts}
        )
    )


def test_a_proof_that_was_not_run_again_stays_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "proof.md"
    _result(tmp_path / "one", "chaos", ok=False, counts={"lost": 1_234, "expired, held": -5})
    _result(tmp_path / "one", "bounds", ok=True, counts={})
    write_page(page, tmp_path / "one")
    first = page.read_text()
    write_page(page, tmp_path / "none")
    assert page.read_text() == first
    _result(tmp_path / "two", "chaos", ok=True, counts={"lost": 0})
    write_page(page, tmp_path / "two")
    now = page.read_text()
    assert "| 2026-11-28 | yes | 1,234 | lost 0 |" in now
    assert "- `bounds` (seed 7): \n" in now
    assert "lost 1,234" in first
    assert "**no**" not in now


def test_a_cell_shows_a_few_counts_of_each_run() -> None:
    many = {f"count_{at}": at for at in range(30)}
    assert shown(many).count(",") == 3
    runs = {"cold_lost": 0, "cold_labels": 9, "killed_lost": 1_000}
    assert shown(runs) == "cold: lost 0; killed: lost 1,000"
