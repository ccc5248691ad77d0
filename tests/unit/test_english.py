"""What users read is in plain English: pages, help, metrics, messages. `tests/support/english.py`
says what that is.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client import CollectorRegistry
from pydantic_settings import BaseSettings
from tests.support.english import not_plain, of_page, sentences, too_long

from riskstream.cli.main import root
from riskstream.gateway.settings import GatewaySettings
from riskstream.lag.settings import LagSettings
from riskstream.platform.telemetry import metrics
from riskstream.profiler.settings import ProfilerSettings
from riskstream.reporter.settings import ReporterSettings
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.settings import TrackerSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "ARCHITECTURE.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    *sorted(f"docs/runbooks/{path.name}" for path in (ROOT / "docs" / "runbooks").glob("*.md")),
]
SETTINGS: list[type[BaseSettings]] = [
    ScorerSettings,
    GatewaySettings,
    TrackerSettings,
    ProfilerSettings,
    ReporterSettings,
    LagSettings,
]
MESSAGES = {"what", "do"}
LOGGED = {"debug", "info", "warning", "error", "exception", "report"}


def _wrong(where: str, text: str) -> list[str]:
    return [f"{where}: {each}: {text}" for each in (*not_plain(text), *too_long(sentences(text)))]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_short_sentences_and_plain_words(page: str) -> None:
    text = (ROOT / page).read_text()
    assert [
        f"{number}: {each}"
        for number, line in enumerate(text.splitlines(), 1)
        for each in not_plain(line)
    ] == []
    assert too_long(of_page(text)) == []


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from _commands(below, f"{name} {each}")


def test_every_command_and_option_says_what_it_is_for() -> None:
    commands = dict(_commands(root, "riskstream"))
    assert len(commands) > 40
    found = []
    for name, command in commands.items():
        for what, text in [
            (name, command.help),
            *((f"{name} {each.opts[0]}", each.help) for each in _options(command)),
        ]:
            found += _wrong(what, " ".join(text.split())) if text else [f"{what}: no help"]
    assert found == []


def _options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: each.__name__)
def test_every_setting_of_a_service_says_what_it_is_for(settings: type[BaseSettings]) -> None:
    found = _wrong(settings.__name__, settings.__doc__ or "")
    for name, each in settings.model_fields.items():
        found += _wrong(name, each.description) if each.description else [f"{name}: no description"]
    assert found == []


def test_every_metric_says_what_it_measures() -> None:
    registry = CollectorRegistry()
    for name in (
        "LaneMetrics",
        "SnapshotMetrics",
        "TrackerMetrics",
        "ProfilerMetrics",
        "GatewayMetrics",
        "ReporterMetrics",
    ):
        getattr(metrics, name)(registry)
    for each in (metrics.LagMetrics, metrics.TracingMetrics):
        each(registry)
    measured = list(registry.collect())
    assert len(measured) > 80
    assert [wrong for each in measured for wrong in _wrong(each.name, each.documentation)] == []
    assert [each.name for each in measured if len(each.documentation.split()) < 2] == []


def _said(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each message of a file: of errors, of log events, and what a command
    prints.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        texts = [each.value for each in node.keywords if each.arg in MESSAGES]
        is_log = name in LOGGED and "log" in ast.unparse(node.func)
        if node.args and (
            name in ("echo", "report")
            or is_log
            or ast.unparse(node.func) in ("print", "ValueError")
        ):
            texts.append(node.args[0])
        yield from ((node.lineno, text) for each in texts if (text := _text(each)))


def _text(node: ast.expr) -> str:
    """A text as far as it stands in the code; what is filled in is a word."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(each) if isinstance(each, ast.Constant) else "X" for each in node.values
        )
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return ""


def test_messages_have_plain_words_and_short_sentences() -> None:
    services = ROOT / "services" / "riskstream"
    found, count = [], 0
    for path in sorted(services.rglob("*.py")):
        for line, text in _said(path):
            count += 1
            found += _wrong(f"{path.relative_to(services)}:{line}", text)
    assert count > 500
    assert found == []


def test_targets_of_make_are_in_plain_words() -> None:
    helps = re.findall(r"^([a-z-]+):.*## (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert len(helps) > 15
    assert [wrong for name, text in helps for wrong in _wrong(name, text)] == []


def test_a_sentence_that_is_not_plain_is_found() -> None:
    assert not_plain("Kafka is away: mend it") == [
        "'mend': say fix, correct",
        "'is away': say cannot be reached, is down",
    ]
    assert not_plain("Names in code such as `--as-of` do not count.") == []
    page = (
        "# A title\n\nOne two.\n\n- "
        + "word " * 26
        + "end. Short.\n\n| a | "
        + "cell " * 30
        + "|\n\n    code "
        + "x " * 40
        + "\n"
    )
    assert [len(each.split()) for each in too_long(of_page(page))] == [27, 30]
