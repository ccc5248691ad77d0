"""The tests that run with bound checks are there."""

from pathlib import Path

import pytest
from loadtests.bounds.__main__ import TESTS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("folder", TESTS)
def test_a_folder_of_tests_that_run_with_bound_checks_holds_tests(folder: str) -> None:
    assert list((ROOT / folder).rglob("test_*.py"))
