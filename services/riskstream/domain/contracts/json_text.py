"""Bytes to JSON values, keeping what Python's own reading loses: repeated keys, and numbers as they
were written.
"""

import json
from dataclasses import dataclass
from typing import Any

_LONGEST_WHOLE = 20
"""Characters of the longest number of 64 bits, its sign with it."""


@dataclass(eq=False, kw_only=True)
class Unreadable(Exception):
    """The bytes are no JSON object. `code` is the problem's, `detail` a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Written:
    """A number that is no whole number of up to 20 characters, as it was written: 1.5, 1e400, NaN,
    thousands of digits.
    """

    text: str

    @property
    def is_whole(self) -> bool:
        """True of a number that is only too large."""
        return self.text.lstrip("-").isdigit()


class Repeated(dict[str, Any]):
    """An object in which `twice`, at least one key, stands more than once; it holds the last value
    of each.
    """

    twice: tuple[str, ...] = ()


def read_object(body: bytes, what: str) -> dict[str, Any]:
    """The JSON object in a body, `what` names it; Unreadable where there is none.

    Its numbers are `int` or `Written`, an object with a key that stands twice is `Repeated`.
    """
    if not body.strip():
        raise Unreadable(
            code="empty-body", detail=f"the body is empty; send one {what} as a JSON object"
        )
    try:
        text = body.decode()
        if text[0] == "\ufeff":
            raise Unreadable(
                code="malformed-json",
                detail="the body begins with a byte order mark; send UTF-8 without one",
            )
        data = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise Unreadable(
            code="malformed-json", detail=f"the body is not UTF-8 at byte {error.start}"
        ) from None
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Unreadable(code="malformed-json", detail=where) from None
    except RecursionError:
        raise Unreadable(
            code="malformed-json", detail=f"the body is nested too deeply; a {what} is flat"
        ) from None
    if not isinstance(data, dict):
        raise Unreadable(
            code="not-an-object", detail=f"the body is not a JSON object; send one {what}"
        )
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) == len(pairs):
        return out
    repeated, seen = Repeated(out), set[str]()
    twice = {key: None for key, _ in pairs if key in seen or seen.add(key)}  # type: ignore[func-returns-value]
    repeated.twice = tuple(twice)
    return repeated


def _whole(text: str) -> int | Written:
    return int(text) if len(text) <= _LONGEST_WHOLE else Written(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=Written, parse_constant=Written
)
