"""Programs that a test needs beside Python: missing in CI is a failure, elsewhere a loud skip."""

import os
import shutil
from typing import NoReturn

import pytest


def tool(*names: str, package: str) -> str:
    """Path of the first of `names` that is installed; `package` is the Debian package that brings
    it.
    """
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or missing(f"{names[0]} is missing (PATH)", do=f"apt-get install {package}")


def missing(what: str, *, do: str) -> NoReturn:
    """End the test with one sentence."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: {do} (.ci/run does it, on Debian as root)", pytrace=False)
    pytest.skip(f"LOUD SKIP: {what}: {do}")


EVERY_POINT = "RISKSTREAM_FAULT_TIMES" in os.environ
"""`make proof` fails lanes at every step; `make test` at those that can go wrong most."""
