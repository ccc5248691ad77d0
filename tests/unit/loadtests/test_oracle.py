"""The chaos checker's oracle finds what it is there to find."""

from pathlib import Path
from typing import Any

import numpy as np
from loadtests.chaos.oracle import Oracle, differs
from tests.support.builders import NOW_MS, transaction


def _one(n: int, **changes: Any) -> dict[str, Any]:
    return transaction(transaction_id=f"t-{n}", occurred_at=NOW_MS + n * 60_000, base_amount_minor=100 + n, **changes)


def test_windows_and_repeats() -> None:
    oracle = Oracle()
    first, second = oracle.apply(_one(0)), oracle.apply(_one(5))
    assert (first.verdict, second.verdict, oracle.apply(_one(5)).verdict) == ("GOOD", "GOOD", "DUPLICATE")
    assert second.features is not None
    assert second.features[:5] == [2, 2, 2, 2, 2]
    assert second.features[5] == 205
    assert second.features[-1] == 300
    late = oracle.apply(_one(2))
    assert late.features is not None
    assert late.features[0] == 2, "it does not see what came after it in time"


def test_a_feature_that_is_off_by_the_least_is_seen() -> None:
    values = [1.0, float("nan"), 2.5]
    assert not differs(values, values)
    assert differs(values, [1.0, float("nan"), float(np.nextafter(np.float32(2.5), np.float32(3)))])
    assert differs(values, [1.0, 0.0, 2.5])


def test_nothing_of_the_oracle_is_the_kernels() -> None:
    text = (Path(__file__).parents[3] / "loadtests/chaos/oracle.py").read_text()
    assert "riskstream.risk" not in text.replace("risk/features/declare.py", "")
