"""Unit tests need nothing but Python: `make unit` collects with this conftest alone, without the
servers of the one above.
"""

from collections.abc import Iterator

import pytest

from riskstream.domain.contracts import writers


@pytest.fixture(autouse=True)
def _no_schemas_of_another_test() -> Iterator[None]:
    """Commands run in this process set where schemas are asked for, one place a process."""
    yield
    writers.use(None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """With two processes: every file is a group of its own, so that its fixtures are made once."""
    item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
