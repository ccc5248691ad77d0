"""`riskstream local services` on a stack that is held by the test itself: what is refused, and what
each service is told. Nothing is started.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from riskstream.cli.local import command
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_PROFILES
from riskstream.gateway.settings import GatewaySettings
from riskstream.lag.settings import LagSettings
from riskstream.profiler.settings import ProfilerSettings
from riskstream.reporter.settings import ReporterSettings
from riskstream.runtime.errors import Fatal
from riskstream.runtime.local_stack import kafka_address, redis_address, running
from riskstream.runtime.settings import ServiceSettings
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.settings import TrackerSettings
from riskstream.workbench.local.chain_supervisor import (
    NAMES,
    Wanted,
    arguments_of,
    features_of,
    services_folder,
    up,
)

SETTINGS: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "lag": LagSettings,
    "profiler": ProfilerSettings,
    "reporter": ReporterSettings,
    "scorer": ScorerSettings,
    "tracker": TrackerSettings,
}
ADDRESSES = {"kafka": "127.0.0.1:19092", "redis": "redis://127.0.0.1:16379/0"}


def _held(folder: Path, /, **state: object) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_text(json.dumps({**ADDRESSES, "pid": 1, **state}))
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a local stack that seems to run below the folder that the test stands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RISKSTREAM_KAFKA", raising=False)
    yield from (tmp_path / "build/local" for _ in _held(tmp_path / "build/local"))


def _model(folder: Path, label: str) -> str:
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"feature_set": label}))
    return str(folder)


def test_services_and_commands_find_the_stack_that_runs_here(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack.is_dir()
    settings = ScorerSettings.load([])
    assert settings.kafka == kafka_address() == ADDRESSES["kafka"]
    assert settings.redis.get_secret_value() == redis_address() == ADDRESSES["redis"]
    assert ProfilerSettings.load([]).redis.get_secret_value() == ADDRESSES["redis"]
    monkeypatch.setenv("RISKSTREAM_KAFKA", "elsewhere:9092")
    assert TrackerSettings.load([]).kafka == "elsewhere:9092"
    monkeypatch.setenv("RISKSTREAM_TRACKER_KAFKA", "mine:9092")
    assert TrackerSettings.load([]).kafka == "mine:9092"
    assert TrackerSettings.load(["--kafka", "given:9092"]).kafka == "given:9092"


def test_a_stack_that_was_killed_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "build/local"
    for _ in _held(folder):
        assert running(folder) is not None
    assert running(folder) is None
    assert GatewaySettings.load([]).kafka == "127.0.0.1:9092"


def test_without_a_stack_the_services_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["services", "up", "--dir", str(tmp_path)])
    assert isinstance(done.exception, Fatal)
    assert str(done.exception) == (
        f"the local stack is not up ({tmp_path}): start it with `riskstream local up`"
    )
    assert done.exception.exit_code == 3
    assert CliRunner().invoke(command, ["services", "down", "--dir", str(tmp_path)]).output == (
        "was not running\n"
    )


def test_without_a_model_the_scorer_is_refused(stack: Path) -> None:
    with pytest.raises(Fatal, match=r"there is no model \(build/none\): train one"):
        up(stack, Wanted(model="build/none", gateway_port=0), print)


def test_a_port_that_is_taken_is_refused_before_anything_starts(stack: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Fatal, match=f"port {port} for the gateway is in use") as found:
            up(stack, Wanted(model="", gateway_port=port), print)
    assert found.value.exit_code == 3
    assert not (services_folder(stack) / "lock").exists()


def test_services_that_run_are_shown_and_not_started_again(stack: Path) -> None:
    ended = {
        "name": "lag",
        "pid": 7,
        "telemetry": "http://127.0.0.1:1",
        "log": "lag.log",
        "ended": "its last words",
    }
    mine = services_folder(stack)
    runs = ended | {"pid": os.getpid(), "ended": ""}
    for _ in _held(mine, folder=str(mine), gateway="", services=[runs]):
        done = CliRunner().invoke(command, ["services", "up", "--dir", str(stack)])
        assert "already running" in done.output
        assert "lag       ready" in done.output or "lag       not ready" in done.output
    for _ in _held(mine, folder=str(mine), gateway="", services=[ended]):
        status = CliRunner().invoke(
            command, ["services", "status", "--dir", str(stack)], standalone_mode=False
        )
        assert status.return_value == 1
        shown = CliRunner().invoke(command, ["services", "status", "--dir", str(stack)])
        assert "lag       ended" in shown.output
        assert "its last words" in shown.output


@pytest.mark.parametrize("features", [STANDARD, STANDARD_PROFILES, SETS["standard.v1"]])
@pytest.mark.parametrize("name", NAMES)
def test_each_service_takes_what_it_is_told(name: str, features: object, tmp_path: Path) -> None:
    label = getattr(features, "label", "")
    model = _model(tmp_path / "model", label)
    wanted = Wanted(
        model=model,
        features=features_of(Path(model)),
        gateway_port=8123,
        kafka=ADDRESSES["kafka"],
        redis=ADDRESSES["redis"],
    )
    settings = SETTINGS[name].load(arguments_of(name, wanted))
    assert settings.kafka == ADDRESSES["kafka"]
    if isinstance(settings, ScorerSettings):
        assert SETS[settings.features] is features
        assert settings.redis.get_secret_value() == ADDRESSES["redis"]
    if isinstance(settings, ProfilerSettings):
        assert SETS[settings.features].profiles
        assert settings.features == "standard-profiles"
    if isinstance(settings, GatewaySettings):
        assert settings.port == 8123


def test_every_service_of_the_package_is_started() -> None:
    assert set(NAMES) == set(SETTINGS)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "there is no model"),
        ("[]", "there is no model"),
        ("{}", "there is no model"),
        ('{"feature_set": "of-others.v1"}', "of-others.v1, which this version does not have"),
    ],
)
def test_a_folder_that_is_no_model_of_ours_is_refused(
    written: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text(written)
    with pytest.raises(Fatal, match=said):
        features_of(tmp_path)


def test_logs_of_all_services_are_printed_with_their_names(tmp_path: Path) -> None:
    folder = services_folder(tmp_path) / "logs"
    folder.mkdir(parents=True)
    (folder / "scorer.log").write_text("".join(f"line {at}\n" for at in range(30)))
    (folder / "lag.log").write_text("measured\n")
    invoke = CliRunner().invoke
    all_of = invoke(command, ["services", "logs", "--dir", str(tmp_path), "--lines", "2"])
    assert all_of.output == "lag     measured\nscorer  line 28\nscorer  line 29\n"
    one = invoke(command, ["services", "logs", "lag", "--dir", str(tmp_path)])
    assert one.output == "lag  measured\n"
    none = invoke(command, ["services", "logs", "tracker", "--dir", str(tmp_path)])
    assert isinstance(none.exception, Fatal)
    assert "there is no log of tracker" in str(none.exception)
