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
    "CONTRIBUTING.md",
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
MESSAGES = {"what", "do", "why", "detail", "help", "description"}
"""Keywords whose texts a user reads."""
TELLING = {"echo", "secho", "print", "report", "hold", "fail", "confirm", "prompt"}
LOGGED = {"debug", "info", "warning", "error", "exception"}


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


@pytest.mark.parametrize(
    "page",
    [
        "CHANGELOG.md",
        *(f"docs/decisions/{each.name}" for each in (ROOT / "docs/decisions").iterdir()),
    ],
)
def test_what_changed_and_was_decided_is_in_plain_words(page: str) -> None:
    lines = (ROOT / page).read_text().splitlines()
    assert [
        f"{number}: {each}" for number, line in enumerate(lines, 1) for each in not_plain(line)
    ] == []


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
        "AccessMetrics",
        "ReporterMetrics",
    ):
        getattr(metrics, name)(registry)
    for each in (metrics.LagMetrics, metrics.TracingMetrics):
        each(registry)
    measured = list(registry.collect())
    assert len(measured) > 80
    assert [wrong for each in measured for wrong in _wrong(each.name, each.documentation)] == []
    assert [each.name for each in measured if len(each.documentation.split()) < 2] == []


def _said(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of each message of a file: what an error is given, what is logged, and what a
    command prints.
    """
    named = _constants(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        given = [each.value for each in node.keywords if each.arg in MESSAGES]
        # a class may be an error: `RuleError("…")`, `click.BadParameter(…)`
        is_told = last in TELLING or last[:1].isupper() or (last in LOGGED and "log" in name)
        for each in [*given, *(node.args if is_told else [])]:
            yield from ((node.lineno, text) for text in _texts(each, named) if " " in text)


def _constants(tree: ast.AST) -> dict[str, ast.expr]:
    """What is given to each name in capitals."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for each in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(each, ast.Name) and each.id.isupper():
                found[each.id] = node.value
    return found


def _texts(node: ast.expr, named: dict[str, ast.expr]) -> list[str]:
    """Texts that an expression may be, as far as they stand in the file; what is filled in is a
    word.
    """
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr():
            parts = [
                str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values
            ]
            return ["".join(parts)]
        case ast.BinOp(op=ast.Add()):
            left, right = _texts(node.left, named), _texts(node.right, named)
            return [before + after for before in left or ["X"] for after in right or ["X"]]
        case ast.BinOp(op=ast.Mod()):
            return _texts(node.left, named)
        case ast.IfExp():
            return [*_texts(node.body, named), *_texts(node.orelse, named)]
        case ast.BoolOp() | ast.Dict():
            return [text for each in node.values for text in _texts(each, named)]
        case ast.Tuple() | ast.List():
            return [text for each in node.elts for text in _texts(each, named)]
        case ast.Subscript():
            return _texts(node.value, named)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in named:
            return _texts(named[name], {key: named[key] for key in named if key != name})
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "join")):
            return _texts(value, named)
    return []


@pytest.mark.parametrize(
    "text",
    [
        'WHY = "it is away now"\nlog.error(WHY)',
        'log.error("it is fine" if a else "it is away now")',
        'raise Hold(why="it is away now")',
        'raise RuleError("it is away " + now)',
        'self.hold(owned, f"{it} is away now")',
        'raise click.BadParameter("{} is away now".format(it))',
        'WORDS = {"a": "it is away now"}\nclick.echo(WORDS["a"])',
        'raise Fatal(what=None or "it is away now", where="", do="")',
        'raise ValueError("%s is away now" % it)',
    ],
)
def test_a_message_is_found_however_it_is_given(text: str) -> None:
    assert [wrong for _, said in _said(ast.parse(text)) for wrong in _wrong("here", said)]


def test_messages_have_plain_words_and_short_sentences() -> None:
    services = ROOT / "services" / "riskstream"
    found, count = [], 0
    for path in sorted(services.rglob("*.py")):
        for line, text in _said(ast.parse(path.read_text())):
            count += 1
            found += _wrong(f"{path.relative_to(services)}:{line}", text)
    assert count > 1000
    assert found == []


def _comments(text: str) -> Iterator[str]:
    """Comments of a file in YAML, Python, shell or Helm, those on lines beside each other as
    one.
    """
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        found = re.match(r"\s*#+ ?(.*)", line)
        if found:
            lines.append(found[1])
        elif lines:
            yield " ".join(lines)
            lines = []


def test_what_an_operator_reads_in_deploy_and_a_developer_in_examples_is_plain() -> None:
    files = [
        path
        for folder in ("deploy", "examples")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.parent.name != "alerts"  # what a test of alerts expects
        and (
            path.suffix in (".yaml", ".tpl", ".sh", ".py", ".txt", ".env")
            or path.name.startswith("Dockerfile")
        )
    ]
    assert len(files) > 35
    found = []
    for path in files:
        text = path.read_text()
        said = [
            *_comments(text),
            *re.findall(r'fail \(?(?:printf )?"([^"]+)"', text),
            *re.findall(r'(?:summary|description|title): "?(.+?)"?$', text, re.M),
        ]
        found += [wrong for each in said for wrong in _wrong(str(path.relative_to(ROOT)), each)]
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
