"""Every error of every command and service is one sentence: *what (where): what to do*.

The code is read for each error that it makes, and each command is run with what is wrong: options,
files, a Kafka that cannot be reached.
"""

import ast
import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from confluent_kafka import KafkaError, KafkaException

from riskstream.cli.main import main, root
from riskstream.cli.options import InputData, InputFile, InputFolder
from riskstream.gateway.settings import GatewaySettings
from riskstream.lag.settings import LagSettings
from riskstream.platform.kafka.clients import client, cluster
from riskstream.platform.kafka.clients.refusals import ADVICE
from riskstream.profiler.settings import ProfilerSettings
from riskstream.reporter.settings import ReporterSettings
from riskstream.runtime.errors import Fatal
from riskstream.runtime.settings import ServiceSettings
from riskstream.scorer.settings import ScorerSettings
from riskstream.tracker.settings import TrackerSettings

PACKAGE = Path(__file__).resolve().parents[3] / "services" / "riskstream"
FORM = re.compile(
    r"error: (?P<what>\S.*?) \((?P<where>[^()]*(?:\([^()]*\)[^()]*)*)\): (?P<do>\S.*)"
)
VERBS = frozenset(
    re.findall(
        r"\w+",
        """activate add answer ask begin check close compare connect convert copy correct create do
        double drop end export fill find free give grant install keep leave let look make map name
        put raise read remove report reset restart run save say see set sort split start stop train
        try unpack use wait write""",
    )
)
"""With one of these begins what to do."""
NAMES = ("Kafka", "ONNX", "Redis", "XGBoost", "Avro", "RISKSTREAM")
"""With a capital begins what happened only where it is a name."""
DOWN = "down:1"


def _texts(node: ast.expr) -> list[str]:
    """Texts that an expression may be; what is filled in is an `X`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr():
            return [
                "".join(
                    str(each.value) if isinstance(each, ast.Constant) else "X"
                    for each in node.values
                )
            ]
        case ast.IfExp():
            return [*_texts(node.body), *_texts(node.orelse)]
        case ast.BinOp(op=ast.Add()):
            return [a + b for a in _texts(node.left) or ["X"] for b in _texts(node.right) or ["X"]]
    return []


def _wrong_do(text: str) -> bool:
    word = re.match(r"[a-z]+", text)
    is_filled_in = text.startswith("X")
    return not is_filled_in and (word is None or word[0] not in VERBS or text.endswith("."))


def _wrong_what(text: str) -> bool:
    is_capital = text[:1].isupper() and not text.startswith(("X", *NAMES))
    return not text or is_capital or text.endswith(".") or "\n" in text


def _makers(trees: Mapping[str, ast.AST]) -> dict[tuple[str, str], list[str]]:
    """Functions that make a Fatal of what they are told: by file and name, what their parameters
    are. Those that others call are of no file.
    """
    found = {}
    for path, tree in trees.items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            names = [each.arg for each in function.args.args if each.arg not in ("self", "cls")]
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "Fatal":
                    told = {each.arg: ast.unparse(each.value) for each in call.keywords}
                    if told.get("do") in names or told.get("what") in names:
                        kinds = {told.get("what"): "what", told.get("do"): "do"}
                        of = path if function.name.startswith("_") else ""
                        found[of, function.name] = [kinds.get(name, "") for name in names]
    return found


def _problems(trees: Mapping[str, ast.AST]) -> Iterator[str]:
    makers = _makers(trees)
    for path, tree in trees.items():
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            name = ast.unparse(call.func).rpartition(".")[2]
            given: dict[str, ast.expr] = {}
            if name in ("Fatal", "Retryable"):
                given = {each.arg: each.value for each in call.keywords if each.arg}
                needed = {"what", "where"} | ({"do"} if name == "Fatal" else set())
                if given and needed - set(given):
                    yield f"{path}:{call.lineno}: no {needed - set(given)}"
            elif maker := makers.get((path, name)) or makers.get(("", name)):
                given = dict(zip(maker, call.args, strict=False))
            for kind, is_wrong in (("what", _wrong_what), ("do", _wrong_do)):
                for text in _texts(given[kind]) if kind in given else []:
                    if is_wrong(text):
                        yield f"{path}:{call.lineno}: {kind}: {text}"
            if any(not text for text in (_texts(given["where"]) if "where" in given else [])):
                yield f"{path}:{call.lineno}: where is empty"


def test_each_error_that_the_code_makes_has_the_form() -> None:
    trees = {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert len(_makers(trees)) >= 8
    assert list(_problems(trees)) == []
    assert [text for text in ADVICE.values() if _wrong_do(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        'raise Fatal(what="It is wrong", where="a", do="give b")',
        'raise Fatal(what="it is wrong.", where="a", do="give b")',
        'raise Fatal(what="it is wrong", where="", do="give b")',
        'raise Fatal(what="it is wrong", where="a", do="it has 6")',
        'raise Fatal(what="it is wrong", where="a", do=f"{a} is enough" if a else "the end")',
        'raise Fatal(what="it is wrong", do="give b")',
        "def wrong(what, do):\n    return Fatal(what=what, where='a', do=do)\nwrong('a', 'Give b')",
    ],
)
def test_an_error_without_the_form_is_found(text: str) -> None:
    assert list(_problems({"here.py": ast.parse(text)}))


def test_commands_and_services_end_by_our_errors_alone() -> None:
    """No text in SystemExit, no error of click but for the shape of one value: none has the
    form.
    """
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Raise | ast.Call):
                continue
            text = ast.unparse(node)
            if re.match(r"raise click\.(UsageError|ClickException)|(?:sys\.)?exit\(['\"f]", text):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {text[:60]}")
    assert found == []


def _commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, (*words, name))
    else:
        yield words


def _command(words: tuple[str, ...]) -> click.Command:
    command: click.Command = root
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


COMMANDS = list(_commands(root))
PATHS = (InputFile, InputData, InputFolder, click.Path)
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """(exit code, stderr) of `riskstream …`, run in this process, in an empty folder and with
    nothing on stdin.
    """
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("riskstream.runtime.run.watch_threads", lambda: None)
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["riskstream", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return code, capsys.readouterr().err

    return call


def _check(words: tuple[str, ...], code: int, said: str, least: int = 1) -> None:
    """Where it failed, its last line has the form, and no other is an error."""
    assert "Traceback" not in said, (words, said)
    if code == 0:
        assert least == 0, (words, "it did what was asked")
        return
    lines = said.splitlines()
    found = FORM.fullmatch(lines[-1]) if lines else None
    assert found, (words, said)
    assert sum(line.startswith("error:") for line in lines) == 1, (words, said)
    assert not found["what"].endswith("."), (words, said)
    assert _wrong_do(found["do"]) is False, (words, said)


def _words_for(command: click.Command, path: Path) -> list[str]:
    """What a command needs at least; `path` as every file and folder."""
    out: list[str] = []
    for each in command.params:
        if not each.required:
            continue
        kind = each.type
        value = str(path) if isinstance(kind, PATHS) else "x"
        if isinstance(kind, click.Choice):
            value = str(kind.choices[0])
        if each.name == "out":
            value = str(path.parent / "out" / "out")
        out += [each.opts[-1], value] if isinstance(each, click.Option) else [value]
    return out


def _wrong_lines(command: click.Command, path: Path) -> Iterator[list[str]]:
    """Command lines that a command refuses by its options alone."""
    least = _words_for(command, path)
    yield [*least, "--no-such-option"]
    if not any(isinstance(each, click.Argument) and each.nargs == -1 for each in command.params):
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        yield [*least, *["more"] * (len(arguments) + 1)]
    if any(each.required for each in command.params):
        yield []
    for each in command.params:
        if not isinstance(each, click.Option) or each.is_flag:
            continue
        yield [*least, each.opts[0]]
        if isinstance(each.type, click.Choice | click.DateTime) or each.type.name in (
            "integer",
            "float",
            "integer range",
            "float range",
        ):
            yield [*least, each.opts[0], "x!"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_wrong_option_is_one_sentence(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("no file of ours\n")
    for line in _wrong_lines(_command(words), path):
        code, said = run(*words, *line)
        assert code == 2, (words, line, said)
        _check((*words, *line), code, said)


def _bad_files(folder: Path) -> Iterator[Path]:
    """Of each kind one: not there, empty, a folder, no text, text, names and no rows, a pipe."""
    folder.mkdir()
    yield folder / "missing"
    for name, content in (
        ("empty", b""),
        ("garbage", bytes(range(256)) * 8),
        ("text", b"no file of ours\n"),
        ("names.csv", b"customer_id,transaction_id,amount_minor,occurred_at,is_fraud\n"),
        ("damaged.parquet", b"PAR1" + b"\0" * 64),
        ("list.json", b"[1, 2]\n"),
    ):
        (folder / name).write_bytes(content)
        yield folder / name
    (folder / "folder").mkdir()
    yield folder / "folder"
    os.mkfifo(folder / "pipe")
    yield folder / "pipe"


def _reads_files(words: tuple[str, ...]) -> bool:
    kinds = (InputFile, InputData, InputFolder)
    return any(
        isinstance(each.type, kinds) or each.name == "model" for each in _command(words).params
    )


@pytest.mark.parametrize("words", [each for each in COMMANDS if _reads_files(each)], ids=" ".join)
def test_a_file_that_is_none_is_one_sentence(
    words: tuple[str, ...], run: Run, tmp_path: Path, down: None
) -> None:
    command = _command(words)
    asked = [each for each in command.params if isinstance(each.type, PATHS)]
    for path in _bad_files(tmp_path / "in"):
        line = _words_for(command, path)
        if any(each.name == "kafka" for each in command.params):
            line += ["--kafka", DOWN]
        code, said = run(*words, *line)
        _check((*words, *line), code, said, least=0)
        for each in asked:
            if isinstance(each, click.Option) and not each.required and each.name != "out":
                more = [*line, each.opts[-1], str(path)]
                code, said = run(*words, *more)
                _check((*words, *more), code, said, least=0)


class _Down:
    """A client of a Kafka that cannot be reached."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == "poll":
            return lambda *_: None

        def fails(*_given: object, **_named: object) -> None:
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))

        return fails

    def close(self) -> None:
        pass


class _Clients:
    def consumer(self, _settings: dict[str, Any]) -> Any:
        return _Down()

    def producer(self, _settings: dict[str, Any]) -> Any:
        return _Down()

    def admin(self, _settings: dict[str, Any]) -> Any:
        return _Down()


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DOWN` is such a Kafka; who waits for it has waited long enough."""
    monkeypatch.setitem(client.IN_MEMORY, DOWN, _Clients())
    monkeypatch.setattr(cluster, "monotonic", itertools.count(0, 100).__next__)
    monkeypatch.setattr(cluster, "sleep", lambda _s: None)
    monkeypatch.setattr("riskstream.cli.patience.PATIENCE_S", 0.0)


def _asks_kafka(words: tuple[str, ...]) -> bool:
    params = _command(words).params
    needs_file = any(each.required and isinstance(each.type, PATHS) for each in params)
    return any(each.name == "kafka" for each in params) and not needs_file and words[0] != "local"


@pytest.mark.parametrize("words", [each for each in COMMANDS if _asks_kafka(each)], ids=" ".join)
def test_a_kafka_that_cannot_be_reached_is_one_sentence(
    words: tuple[str, ...], run: Run, tmp_path: Path, down: None
) -> None:
    given = {("dlq", "redrive"): ["--all"], ("tail",): ["scores.v1"]}
    line = given.get(words) or _words_for(_command(words), tmp_path / "in")
    line = [*line, "--kafka", DOWN]
    code, said = run(*words, *line)
    assert code == 75, said
    _check((*words, *line), code, said)


SERVICES: list[type[ServiceSettings]] = [
    GatewaySettings,
    LagSettings,
    ProfilerSettings,
    ReporterSettings,
    ScorerSettings,
    TrackerSettings,
]


def _wrong_values(settings: type[ServiceSettings]) -> Iterator[list[str]]:
    for name, field in settings.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        yield [option]
        is_free = field.annotation is str and not field.metadata[1:]
        if field.annotation is Path or Path in get_args(field.annotation):
            continue
        if name in ("telemetry_host", "host", "output_kafka", "client_id", "snapshots") or is_free:
            continue
        yield [option, "!! |"]
        for each in field.metadata:
            if getattr(each, "ge", None) is not None:
                yield [option, str(each.ge - 1)]
            if getattr(each, "le", None) is not None:
                yield [option, str(each.le + 1)]


@pytest.mark.parametrize("settings", SERVICES)
def test_a_wrong_setting_of_a_service_is_one_sentence(settings: type[ServiceSettings]) -> None:
    lines = list(_wrong_values(settings))
    assert len(lines) > 10
    for line in lines:
        with pytest.raises(Fatal) as found:
            settings.load(line)
        _check((settings.service, *line), found.value.exit_code, f"error: {found.value}")
