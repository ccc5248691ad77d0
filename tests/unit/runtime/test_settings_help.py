"""`--help` of each service in words, and what is said of an argument that is none."""

import re

import pytest

from riskstream.gateway.settings import GatewaySettings
from riskstream.lag.settings import LagSettings
from riskstream.profiler.settings import ProfilerSettings
from riskstream.reporter.settings import ReporterSettings
from riskstream.runtime.errors import Fatal
from riskstream.runtime.settings import ServiceSettings
from riskstream.runtime.settings_help import value_of
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.settings import TrackerSettings

SETTINGS: list[type[ServiceSettings]] = [
    GatewaySettings,
    LagSettings,
    ProfilerSettings,
    ReporterSettings,
    ScorerSettings,
    TrackerSettings,
]


def _help(settings: type[ServiceSettings], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        settings.load(["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def _by_name(text: str) -> dict[str, str]:
    """What the help says of each setting."""
    found, name = dict[str, str](), ""
    for line in text.partition("Settings:")[2].splitlines():
        if line.startswith("  --"):
            name = line.split()[0]
        found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_is_shown_with_a_word_and_its_default(
    settings: type[ServiceSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    text = _help(settings, capsys)
    assert max(map(len, text.splitlines())) <= 100
    assert re.findall(r"\b(?:str|int|float|bool|null|None|factory|SecretStr)\b", text) == []
    flat = " ".join(text.split())
    assert flat.startswith(f"Usage: python -m riskstream.{settings.service} ")
    by_name = _by_name(text)
    for name in settings.model_fields:
        each = by_name[f"--{name.replace('_', '-')}"]
        assert re.search(r"\[(?:[^\]]*; )?default: \S", each), each
    words = {value_of(name, each) for name, each in settings.model_fields.items()}
    assert "TEXT" not in words, "give its type a Word"
    assert "--print-config" in flat


def test_defaults_bounds_and_choices_are_what_the_settings_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = " ".join(_help(ScorerSettings, capsys).split())
    assert "--max-batch NUMBER most records in one micro-batch [default: 2048; 1 to 8,192]" in text
    assert "--group-protocol consumer|classic" in text
    assert "--model PATH folder of model.onnx and model.json [default: build/model]" in text
    assert "--release-key PATH" in text
    assert "--redis URL" in text
    assert "[default: the local stack's, else redis://127.0.0.1:6379/0]" in text
    assert "--so-far true|false" in " ".join(_help(ReporterSettings, capsys).split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--max-bach", "17"],
            "unknown option --max-bach (command line): use --max-batch, or see "
            "`python -m riskstream.scorer --help`",
        ),
        (["--zzz=secret"], "unknown option --zzz (command line): see "),
        (["redis://:secret@h:1/0"], "a value without its option (command line): see "),
        (["--kafka"], "argument --kafka: expected one argument (command line): see "),
    ],
)
def test_an_argument_that_is_none_is_one_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(Fatal, match=re.escape(said)) as found:
        ScorerSettings.load(arguments)
    assert found.value.exit_code == 2
    assert "secret" not in str(found.value)
