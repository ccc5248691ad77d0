"""Random tables in every format, dialect, type and unit: what is read back is what was written, or
is left out with a reason.

RISKSTREAM_TABLES=2000 RISKSTREAM_SEED=9 ask for more of them; `python -m loadtests.files tables`
does the same, and says what was read.
"""

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from tests.support.tables.compare import read_back
from tests.support.tables.formats import FORMATS, write
from tests.support.tables.truth import Truth, truth_of

TABLES = int(os.environ.get("RISKSTREAM_TABLES", "40"))
SEED = os.environ.get("RISKSTREAM_SEED", "16")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_random_table_comes_back_equal_or_not_at_all(tmp_path: Path, kind: str) -> None:
    problems: list[str] = []
    rows = read = 0
    for number in range(TABLES):
        rng = Random(f"{SEED}:{kind}:{number}")
        truth = truth_of(rng)
        written = write(rng, truth, kind, tmp_path)
        back = read_back(truth, written)
        problems += [f"table {number}: {each}\n{written.mapping}" for each in back.wrong]
        rows, read = rows + truth.rows, read + back.read
    assert problems == []
    assert read > rows / 2


@pytest.mark.parametrize("kind", FORMATS)
def test_another_value_would_be_seen(tmp_path: Path, kind: str) -> None:
    rng, seen = Random(f"{SEED}:{kind}"), set[str]()
    for _ in range(12):
        truth = truth_of(rng)
        written = write(rng, truth, kind, tmp_path)
        for name in ("amount_minor", "occurred_at", "customer_id", "is_fraud"):
            back = read_back(_with_another(truth, name), written)
            seen |= {name} if any(each.startswith(name) for each in back.wrong) else set()
    assert seen == {"amount_minor", "occurred_at", "customer_id", "is_fraud"}


def _with_another(truth: Truth, name: str) -> Truth:
    """The table, as if something else had been written in a field."""
    change = {
        "amount_minor": lambda each: each + 1,
        "occurred_at": lambda each: each - 3_600_000,
        "customer_id": lambda each: f"{each}x",
        "is_fraud": lambda each: None if each is None else not each,
    }[name]
    return replace(truth, fields={**truth.fields, name: list(map(change, truth.fields[name]))})
