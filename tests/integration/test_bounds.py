"""Half a minute of fuzzing with numba's bound checks, and half with canaries; `make test-bounds` runs it for five.

It runs beside the tests that need no server: `tests/conftest.py` starts it when the run begins.
"""

import json

import pytest
from tests.support.beside import Beside


@pytest.mark.timeout(600)
def test_no_kernel_writes_past_the_end_of_an_array(bounds: Beside) -> None:
    result = json.loads(bounds.result())
    assert not result["problems"], "\n".join(result["problems"])
    counts = result["counts"]
    assert min(
        counts[f"{mode}_{what}"] for mode in ("bounds", "canaries") for what in ("profile_steps", "records", "frames")
    )
    assert counts["canaries_arrays"]
