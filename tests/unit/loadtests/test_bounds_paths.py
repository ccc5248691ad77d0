"""The tests that run with bound checks are there."""

from pathlib import Path

import pytest
from loadtests.bounds.__main__ import TESTS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", TESTS)
def test_a_file_or_folder_of_tests_that_run_with_bound_checks_is_there(path: str) -> None:
    assert (ROOT / path).is_file() or list((ROOT / path).rglob("test_*.py"))
