"""Settings, errors and exit codes."""

import subprocess
import sys

import pytest

from riskstream.runtime.errors import Fatal
from riskstream.scorer.settings import ScorerSettings


def _run(*arguments: str, service: str = "scorer", **env: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-m", f"riskstream.{service}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=60, check=False)


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


def test_a_missing_model_ends_the_scorer_with_what_to_do() -> None:
    done = _run("--model", "nowhere")
    assert done.returncode == 1
    assert "riskstream train" in done.stderr


def test_an_unknown_command_of_the_cli_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "riskstream.cli.main"]
    code = "from riskstream.cli.main import main; import sys; sys.argv = ['riskstream', 'nope']; main()"
    done = subprocess.run([command[0], "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "No such command 'nope'" in done.stderr
