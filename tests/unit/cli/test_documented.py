"""Every command that a page names exists, with the options that the page gives it."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from riskstream.cli.main import root
from riskstream.runtime.environment import SERVICES
from riskstream.runtime.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "loadtests/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
_SPAN = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_END = re.compile(r"^(\||\|\||&&|;|>|>>|<|#.*|2>.*)$")


def _commands(text: str) -> list[str]:
    """Each call of `riskstream` in the page's code, one a line."""
    found = []
    for block, inline in _SPAN.findall(text):
        for line in (block or inline).replace("\\\n", " ").splitlines():
            at = re.search(r"(?:^|[\s/$(])riskstream (?=[a-z-])(?!-)(.*)", line)
            if at:
                found.append(at[1])
    return found


def _make_targets(text: str) -> list[str]:
    return [
        target
        for block, inline in _SPAN.findall(text)
        for target in re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", block or inline)
    ]


def _problem(line: str) -> str | None:
    """What `riskstream LINE` would refuse by its names, None where it would not."""
    words = shlex.split(line, comments=True)
    command: click.Command = root
    context = click.Context(command, info_name="riskstream")
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        name = words.pop(0)
        child = command.get_command(context, name)
        if child is None:
            return f"{context.command_path} has no command {name}"
        command, context = child, click.Context(child, info_name=name, parent=context)
    options = {
        text: each for each in command.params for text in (*each.opts, *each.secondary_opts)
    } | {"--help": None}
    for at, word in enumerate(words):
        if _END.match(word):
            break
        name, _, value = word.partition("=")
        if not name.startswith("--"):
            continue
        if name not in options:
            return f"{context.command_path} has no option {name}"
        option = options[name]
        given = value or (words[at + 1] if at + 1 < len(words) else "")
        choices = list(getattr(getattr(option, "type", None), "choices", ()))
        if choices and re.fullmatch(r"[a-z-]+", given) and given not in choices:
            return f"{context.command_path} {name} takes {', '.join(choices)}, not {given}"
    return None


def _service_problem(name: str, line: str) -> str | None:
    """The same of `python -m riskstream.NAME LINE`."""
    module = importlib.import_module(
        "riskstream.scorer.settings" if name == "scorer" else f"riskstream.{name}.settings"
    )
    [settings] = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, ServiceSettings)
        and each.__module__ == module.__name__
    ]
    options = {f"--{field.replace('_', '-')}" for field in settings.model_fields} | {
        "--help",
        "--print-config",
    }
    wrong = [word for word in re.findall(r"--[a-z0-9-]+", line) if word not in options]
    return f"{name} has no option {wrong[0]}" if wrong else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_exists(page: Path) -> None:
    text = page.read_text()
    problems = [
        f"`riskstream {line}`: {said}" for line in _commands(text) if (said := _problem(line))
    ]
    problems += [
        said
        for block, inline in _SPAN.findall(text)
        for name, line in re.findall(
            r"python -m riskstream\.([a-z]+)([^\n;&|#]*)", (block or inline).replace("\\\n", " ")
        )
        if name in SERVICES and (said := _service_problem(name, line))
    ]
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    problems += [f"no `make {name}`" for name in _make_targets(text) if name not in targets]
    assert not problems, "\n".join(problems)


def test_a_wrong_command_is_seen() -> None:
    assert _problem("release nosuch") == "riskstream release has no command nosuch"
    assert _problem("lag --grup scorer") == "riskstream lag has no option --grup"
    assert _problem("lag --group scorer | head --lines 3") is None
    assert _service_problem("scorer", "--kafka ADDR --redi X") == "scorer has no option --redi"
    assert len([line for page in PAGES for line in _commands(page.read_text())]) > 80
