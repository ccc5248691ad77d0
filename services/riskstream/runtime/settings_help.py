"""`--help` of a service: each setting with what it takes, its default and its bounds, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

_UNITS = {"_ms": "MS", "_s": "SECONDS", "_minutes": "MINUTES", "_bytes": "BYTES", "port": "PORT"}
"""What a number is, by the end of its setting's name."""
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Word:
    """In a setting's type: what the help calls its value."""

    text: str


def help_of(program: str, doc: str, fields: Mapping[str, FieldInfo]) -> str:
    """The help of a program with these settings."""
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write_usage(program, "[--SETTING VALUE ...] [--print-config]")
    formatter.write_paragraph()
    formatter.write_text(doc)
    rows = [
        (f"--{_option(name)} {value_of(name, each)}", said(each)) for name, each in fields.items()
    ]
    rows += [
        ("--print-config", "print the settings in use, with secrets masked, and end"),
        ("--help, -h", "print this and end"),
    ]
    with formatter.section("Settings"):
        formatter.write_dl(rows, col_max=36)
    return formatter.getvalue()


def value_of(name: str, field: FieldInfo) -> str:
    """What a setting takes: its choices, or a word in capitals."""
    told = next((each.text for each in field.metadata if isinstance(each, Word)), None)
    kind = _kind(field.annotation)
    if told is not None:
        return told
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if kind is bool:
        return "true|false"
    if kind is Path:
        return "PATH"
    if kind in (int, float):
        return next((word for end, word in _UNITS.items() if name.endswith(end)), "NUMBER")
    return "TEXT"


def said(field: FieldInfo) -> str:
    """What a setting is for, its default and its bounds."""
    text = " ".join((field.description or "").split())
    notes = []
    if "[default:" not in text:
        notes.append(f"default: {_shown(field.default)}")
    if (bounds := _bounds(field)) is not None:
        notes.append(bounds)
    return f"{text} [{'; '.join(notes)}]" if notes else text


def _option(name: str) -> str:
    return name.replace("_", "-")


def _kind(annotation: Any) -> Any:
    """A type without its None."""
    left = [each for each in get_args(annotation) if each is not type(None)]
    return left[0] if type(None) in get_args(annotation) else annotation


def _shown(default: Any) -> str:
    if default is None or default == "":
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _bounds(field: FieldInfo) -> str | None:
    """`1 to 8,192`; None where nothing bounds it."""
    least = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
    most = next((each.le for each in field.metadata if hasattr(each, "le")), None)
    if least is None and most is None:
        return None
    if most is None:
        return f"at least {least:,}"
    return f"at most {most:,}" if least is None else f"{least:,} to {most:,}"
