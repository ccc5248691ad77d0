"""Settings, errors and exit codes."""

import re
import subprocess
import sys

import pytest

from riskstream.gateway.settings import GatewaySettings
from riskstream.lag.settings import LagSettings
from riskstream.profiler.settings import ProfilerSettings
from riskstream.reporter.settings import ReporterSettings
from riskstream.runtime.errors import Fatal
from riskstream.runtime.settings import ServiceSettings
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.settings import TrackerSettings

SETTINGS: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "lag": LagSettings,
    "profiler": ProfilerSettings,
    "reporter": ReporterSettings,
    "scorer": ScorerSettings,
    "tracker": TrackerSettings,
}


def _run(*arguments: str, service: str = "scorer", **env: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-m", f"riskstream.{service}", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **env}, timeout=60, check=False
    )


@pytest.mark.parametrize("service", ["gateway", "scorer", "tracker", "reporter"])
def test_the_configuration_is_printed_with_secrets_masked(service: str) -> None:
    arguments = ["--redis", "redis://:hidden@h:1/0"] if service == "scorer" else []
    done = _run("--print-config", *arguments, service=service)
    assert done.returncode == 0
    assert '"kafka": "127.0.0.1:9092"' in done.stdout
    assert "hidden" not in done.stdout


def test_a_wrong_value_is_one_sentence_and_exit_code_2() -> None:
    done = _run("--max-batch", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: setting max_batch is wrong")
    assert "Traceback" not in done.stderr


def test_the_environment_sets_and_an_unknown_key_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKSTREAM_SCORER_MAX_BATCH", "17")
    assert ScorerSettings.load([]).max_batch == 17
    assert ScorerSettings.load(["--max-batch", "18"]).max_batch == 18
    monkeypatch.setenv("RISKSTREAM_SCORER_MAX_BACH", "17")
    with pytest.raises(Fatal, match="unknown setting RISKSTREAM_SCORER_MAX_BACH"):
        ScorerSettings.load([])


@pytest.mark.parametrize(
    ("service", "arguments", "said"),
    [
        ("scorer", ["--source", "scores.v1"], "source and output are both scores.v1"),
        (
            "scorer",
            ["--output", "transactions.v1.dlq"],
            ("output and dead_letters are both transactions.v1.dlq"),
        ),
        ("scorer", ["--source", "a/b"], "setting source is wrong"),
        ("scorer", ["--group", "a group"], "setting group is wrong"),
        (
            "scorer",
            ["--redis", "127.0.0.1:6379"],
            ("setting redis is wrong: it does not begin with redis://"),
        ),
        ("scorer", ["--kafka", ""], "setting kafka is wrong"),
        ("scorer", ["--reject-limit", "nan"], "setting reject_limit is wrong"),
        ("tracker", ["--commit-ms", "0"], "setting commit_ms is wrong"),
        (
            "tracker",
            ["--commit-ms", "500", "--flush-ms", "200"],
            ("flush_ms 200 is less than commit_ms 500"),
        ),
        ("profiler", ["--instance", ""], "setting instance is wrong"),
        (
            "gateway",
            ["--port", "8081", "--telemetry-port", "8081"],
            ("port and telemetry_port are both 8081"),
        ),
        (
            "gateway",
            ["--deadline-ms", "2000", "--max-deadline-ms", "1000"],
            ("max_deadline_ms 1000 is less than deadline_ms 2000"),
        ),
        ("lag", ["--topics", "scores.v1,alerts.v1,scores.v1"], "topics names scores.v1 2 times"),
        ("reporter", ["--every-s", "-1"], "setting every_s is wrong"),
    ],
)
def test_settings_that_are_wrong_or_contradict_each_other_are_refused(
    service: str, arguments: list[str], said: str
) -> None:
    settings: type[ServiceSettings] = SETTINGS[service]
    with pytest.raises(Fatal, match=re.escape(said)) as found:
        settings.load(arguments)
    assert found.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RISKSTREAM_SCORRER_REDIS", "RISKSTREAM_SCORER_REDIS"),
        ("RISKSTREAM_KAFKA_PROTCOL", "RISKSTREAM_KAFKA_PROTOCOL"),
        ("RISKSTREAM_SCHEMA_REGISTRY_URI", "RISKSTREAM_SCHEMA_REGISTRY_URL"),
        ("RISKSTREAM_REDIS", "RISKSTREAM_SCORER_REDIS"),
    ],
)
def test_a_name_that_no_process_reads_is_refused(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(
        Fatal,
        match=rf"unknown setting {name} .environment.: remove it, or use "
        rf"{meant}",
    ):
        ScorerSettings.load([])


def test_names_of_other_services_and_of_kubernetes_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "RISKSTREAM_TRACKER_INSTANCE",
        "RISKSTREAM_KAFKA_CA",
        "RISKSTREAM_CACHE",
        "RISKSTREAM_WEB_SERVICE_HOST",
        "RISKSTREAM_WEB_SERVICE_PORT_HTTP",
        "RISKSTREAM_WEB_PORT",
        "RISKSTREAM_WEB_PORT_8080_TCP_ADDR",
    ):
        monkeypatch.setenv(name, "x")
    assert ScorerSettings.load([]).group == "scorer"


def test_a_missing_model_ends_the_scorer_with_what_to_do() -> None:
    done = _run("--model", "nowhere")
    assert done.returncode == 1
    assert "riskstream train" in done.stderr


def test_an_unknown_command_of_the_cli_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "riskstream.cli.main"]
    code = (
        "from riskstream.cli.main import main; import sys; sys.argv = ['riskstream', 'nope']; "
        "main()"
    )
    done = subprocess.run(
        [command[0], "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr == ("error: no such command 'nope' (riskstream): see `riskstream --help`\n")


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_help_says_what_a_service_does_and_how_else_it_is_told(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: type[ServiceSettings] = SETTINGS[service]
    with pytest.raises(SystemExit) as left:
        settings.load(["--help"])
    assert left.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    assert (
        f"from the environment: --log-level from RISKSTREAM_{service.upper()}_LOG_LEVEL. "
        "The command line wins." in words
    )
    assert "--print-config prints the settings in use and ends." in words
    assert "See `python" not in words
