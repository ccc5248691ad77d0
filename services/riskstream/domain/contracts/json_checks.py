"""What is wrong with a value of JSON, by a field's bounds: one check a kind of field, made once, in
words for who sent it.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from riskstream.domain.contracts.bounds import Bounds
from riskstream.domain.contracts.json_text import Written

MAX_AHEAD_MS = 300_000
"""Most that an event time may be ahead of the clock; the scorer's reject rules measure it from the
append time.
"""
_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_SHOWN = 48

Check = Callable[[Any, int], str]
"""What is wrong with a value at a time (ms), empty where nothing is."""


def check_of(bounds: Bounds, is_time: bool) -> Check:
    """The check of a field, of each item where it is an array. TypeError where JSON cannot carry it
    plainly.
    """
    if is_time:
        return _time(bounds)
    if bounds.symbols:
        return _choice(bounds)
    if bounds.kind in _RANGES:
        return _whole(bounds)
    if bounds.kind in ("float", "double"):
        return _number
    if bounds.kind == "boolean":
        return lambda value, _: (
            "" if isinstance(value, bool) else (f"it is {kind_of(value)}; give true or false")
        )
    if bounds.kind == "string":
        return _text(bounds)
    raise TypeError(f"no door takes {bounds.name}: it is of type {bounds.kind}")


def _text(bounds: Bounds) -> Check:
    least, most = bounds.min_bytes, bounds.max_bytes
    shape = re.compile(bounds.pattern) if bounds.pattern else None

    def check(value: Any, _: int) -> str:
        if type(value) is not str:
            return f"it is {kind_of(value)}; give a text"
        try:
            size = len(value) if value.isascii() else len(value.encode())
        except UnicodeEncodeError:
            return "it holds half of a surrogate pair, which no text has"
        if size < least:
            return f"it has {size:,} bytes of UTF-8, {least:,} at least" if size else "it is empty"
        if most is not None and size > most:
            return f"it has {size:,} bytes of UTF-8, {most:,} at most"
        if shape is not None and not shape.fullmatch(value):
            return f"it is {_shown(value)}, not shaped {bounds.pattern}"
        return ""

    return check


def _choice(bounds: Bounds) -> Check:
    allowed = _choices(bounds)

    def check(value: Any, _: int) -> str:
        if type(value) is str and value in allowed:
            return ""
        return f"it is {_shown(value)}; give one of {', '.join(allowed)}"

    return check


def _choices(bounds: Bounds) -> tuple[str, ...]:
    """Without UNKNOWN, which is what a reader takes for a symbol that is newer than it."""
    return tuple(symbol for symbol in bounds.symbols if symbol != "UNKNOWN")


def _whole(bounds: Bounds) -> Check:
    low, high = _RANGES[bounds.kind]
    least = low if bounds.minimum is None else bounds.minimum
    most = high if bounds.maximum is None else bounds.maximum

    def check(value: Any, _: int) -> str:
        if type(value) is not int:
            if not (isinstance(value, Written) and value.is_whole):
                return f"it is {kind_of(value)}; give a whole number"
            return f"it is {_shown(value)}, which is out of range; give {least:,} to {most:,}"
        if least <= value <= most:
            return ""
        return f"it is {value}; give {least:,} to {most:,}"

    return check


def _time(bounds: Bounds) -> Check:
    whole, in_range = _whole(bounds), "give milliseconds since 1970 UTC"

    def check(value: Any, now_ms: int) -> str:
        if type(value) is not int:
            return whole(value, now_ms)
        if value > now_ms + MAX_AHEAD_MS:
            if value > now_ms * 100:
                return f"{value} looks like microseconds or nanoseconds; {in_range}"
            return f"{value} is more than 5 minutes ahead of the clock here"
        if value < 0:
            return f"{value} is before 1970; {in_range}"
        if value == 0:
            return f"0 is a time that was left out; {in_range}"
        if value < now_ms // 500:
            return f"{value} looks like seconds; {in_range}"
        return f"{value} is before 1971; {in_range}" if whole(value, now_ms) else ""

    return check


def _number(value: Any, _: int) -> str:
    if type(value) is int:
        return ""
    if not isinstance(value, Written):
        return f"it is {kind_of(value)}; give a number"
    return (
        ""
        if math.isfinite(float(value.text))
        else (f"it is {_shown(value)}, which no number of the schema holds")
    )


def allowed_of(bounds: Bounds, is_time: bool) -> str:
    """What would be right, in words."""
    if bounds.symbols:
        return f"one of {', '.join(_choices(bounds))}"
    words = {
        "string": "a text in UTF-8",
        "boolean": "true or false",
        "float": "a number",
        "double": ("a number"),
    }
    word = "milliseconds since 1970 UTC" if is_time else words.get(bounds.kind, "a whole number")
    if bounds.is_array:
        word = f"a list, each {word}"
    said = bounds.said()
    return f"{word}: {said}" if said else word


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Written) and value.text.lstrip("-") in ("NaN", "Infinity"):
        return f"{value.text}, which is no number of JSON"
    if isinstance(value, Written) and not value.is_whole:
        return f"{_shown(value)}, which has a fraction or an exponent"
    kinds = {str: "a text", int: "a number", Written: "a number", list: "a list"}
    return kinds.get(type(value), "an object")


def _shown(value: Any) -> str:
    """A value as it was sent, cut where it is long."""
    if isinstance(value, str):
        cut = value[:_SHOWN] + ("…" if len(value) > _SHOWN else "")
        return clean(json.dumps(cut, ensure_ascii=False))
    if isinstance(value, Written):
        return (
            value.text
            if len(value.text) <= _SHOWN
            else (f"{value.text[:_SHOWN]}… ({len(value.text):,} characters)")
        )
    return str(value) if type(value) is int else kind_of(value)


def clean(text: str) -> str:
    """Without halves of surrogate pairs, which cannot be sent back."""
    return text.encode(errors="replace").decode()
