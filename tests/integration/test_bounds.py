"""Half a minute of fuzzing with numba's bound checks, and half with canaries; `make test-bounds` runs it for five."""

import pytest
from loadtests.bounds.__main__ import run


@pytest.mark.timeout(600)
def test_no_kernel_writes_past_the_end_of_an_array() -> None:
    counts, problems = run(60, seed=11, tests=False)
    assert not problems, "\n".join(problems)
    assert min(
        counts[f"{mode}_{what}"] for mode in ("bounds", "canaries") for what in ("profile_steps", "records", "frames")
    )
    assert counts["canaries_arrays"]
