"""One chain for the whole run: a real Kafka, a real Redis, the services as processes, a small
model.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from loadtests.collector import Collector

from riskstream.domain.contracts import writers
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train
from tests.support.world import World


@pytest.fixture(autouse=True)
def _no_schemas_of_another_test() -> Iterator[None]:
    """Commands run in this process set where schemas are asked for, one place a process."""
    yield
    writers.use(None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Say what must run in one process: three share the run.

    Tests of the running chain are one group, tests of the bare stack two, each with a stack of its
    own, and every other file is a group of its own.
    """
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for servers most of its time; then what has servers of its own, longest
    first; what only computes comes last, and fills the cores to the end.
    """
    items.sort(key=lambda item: _place(_group(item)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """End the stack of a group after its last test: its services would go on beside all others."""
    yield
    if isinstance(item, pytest.Function) and (nextitem is None or _group(nextitem) != _group(item)):
        for name in _STACKS:
            for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
                fixture.finish(item._request)  # type: ignore[arg-type]  # it wants the node alone


_STACKS = ("chain", "bare")
_BESIDE_THE_CHAIN = "tests/integration/test_faust_shell.py"
"""One of its tests compares with the chain: so its own stack is started once."""
_PLACES = {
    "bare of a to f": 0,
    "bare of g to z": 1,
    "chain": 2,
    "tests/e2e/test_old_cluster.py": 3,
    "tests/integration/": 4,
    "tests/e2e/": 4,
    "tests/integration/test_bounds.py": 5,
    # whoever runs a file of one test is given the next file too: a short one
    "tests/integration/test_snapshot_bucket.py": 6,
    "tests/e2e/test_chaos.py": 7,  # beside what has no servers, as far as that goes
}


def _place(group: str) -> int:
    """Where a group stands in the order."""
    return _PLACES.get(group, _PLACES.get(group.rpartition("/")[0] + "/", 8))


def _group(item: pytest.Item) -> str:
    """The shared stack that the test needs, or its file."""
    needs = getattr(item, "fixturenames", ())
    file = item.nodeid.partition("::")[0]
    if "chain" in needs or file == _BESIDE_THE_CHAIN:
        return "chain"
    if "bare" in needs:
        letter = file.rpartition("/test_")[2][0]
        return "bare of a to f" if letter < "g" else "bare of g to z"
    return file


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, trained on simulated history."""
    folder = tmp_path_factory.mktemp("model")
    data = folder / "history.parquet"
    pq.write_table(simulate(Simulation(seed=1, customers=1500, days=45)), data)
    train(read_dataset(data, STANDARD), STANDARD, FitSettings(trees=60), folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the running chain sends its spans."""
    with Collector() as running:
        yield running


PATIENT = {"RISKSTREAM_SCORER_STORE_READ_TIMEOUT_MS": "1000"}
"""No test asserts a speed: on a busy machine a row may take longer to be read than a scorer waits,
which flags its score.
"""


@pytest.fixture(scope="session")
def chain(
    model: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    """The running chain. Tests share it: each uses customers of its own and looks at what is new.

    It traces the callers that ask for it, and no others.
    """
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "RISKSTREAM_GATEWAY_DRAIN_S": "0",  # nobody calls when it ends
        **PATIENT,
    }
    with Chain(tmp_path_factory.mktemp("chain"), model, env=env) as running:
        yield running


@pytest.fixture(scope="session")
def bare(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A stack without services, whose group sessions end after 2 s."""
    with Chain(
        tmp_path_factory.mktemp("bare"),
        model,
        names=(),
        brokers=Brokers(session_timeout_ms=2000),
        env=PATIENT,
    ) as chain:
        yield chain


@pytest.fixture
def world(chain: Chain) -> Iterator[World]:
    """A view of the chain from now on: send, read what comes after."""
    view = World(chain)
    yield view
    view.close()
