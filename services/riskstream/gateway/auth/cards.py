"""Card numbers in texts and bodies: found without repeating them. Pure.

A card number is 13 to 19 digits whose beginning and length are those of a card scheme, and whose
last digit is right by Luhn (ISO/IEC 7812-1). Spaces, dashes and dots may stand between them, and
digits may be of any script. Hashes, UUIDs and decimals are none, whatever digits they hold.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from riskstream.domain.contracts.door import Fault, path_of
from riskstream.gateway.problem import Problem

LEAST, MOST = 13, 19
"""Digits of a card number."""
_16_TO_19 = range(16, 20)
_13_TO_19 = range(13, 20)
SCHEMES: tuple[tuple[str, int, int, tuple[int, ...] | range], ...] = (
    ("Visa", 400_000, 499_999, (13, 16, 19)),
    ("Mastercard", 510_000, 559_999, (16,)),
    ("Mastercard", 222_100, 272_099, (16,)),
    ("American Express", 340_000, 349_999, (15,)),
    ("American Express", 370_000, 379_999, (15,)),
    ("Diners Club", 360_000, 369_999, range(14, 20)),
    ("Diners Club", 300_000, 305_999, _16_TO_19),
    ("Diners Club", 309_500, 309_599, _16_TO_19),
    ("Diners Club", 380_000, 399_999, _16_TO_19),
    ("JCB", 352_800, 358_999, _16_TO_19),
    ("Mir", 220_000, 220_499, _16_TO_19),
    ("Maestro", 500_000, 509_999, _13_TO_19),
    ("Maestro", 560_000, 589_999, _13_TO_19),
    ("Discover, RuPay, Maestro", 600_000, 609_999, _16_TO_19),
    ("UnionPay", 620_000, 629_999, _16_TO_19),
    ("Maestro", 630_000, 639_999, _13_TO_19),
    ("Discover", 640_000, 659_999, _16_TO_19),
    ("Maestro", 670_000, 679_999, _13_TO_19),
    ("UnionPay, RuPay", 810_000, 829_999, _16_TO_19),
    ("Troy", 979_200, 979_299, (16,)),
)
"""Scheme, the least and most of the first six digits, and the lengths of its numbers."""
_FIRST = frozenset("2345689")
_GAP = r"[\s.-]{0,3}"
_RUN = re.compile(rf"[0-9](?:{_GAP}[0-9]){{{LEAST - 1},}}", re.ASCII)
_RUN_OF_BYTES = re.compile(_RUN.pattern.encode())
_GROUP = re.compile(r"[0-9]+")
_OF_13 = {(13,), (4, 3, 3, 3), (4, 4, 4, 1), (1,) * 13}
"""How 13 digits are grouped on a card; a telephone number is grouped otherwise."""
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_HASH = re.compile(r"(?i)(?=[0-9]*[a-f][0-9]*[a-f])[0-9a-f]{16,}")
_WORD = re.compile(r"[0-9A-Za-z]+")
_TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DOTS = frozenset((0xB7, 0x66B, 0x2022, 0x2024, 0x2027, 0x3002, 0xFF0E, 0xFF61))
_MINUS = 0x2212
_SCRUBBED = "(it looks like a card number)"
_SLICE, _OVERLAP = 65_536, 512
_AMOUNTS_AND_TIMES = ("_minor", "_at")


def card_number(path: str) -> Problem:
    """422: what stands at a path looks like a card number; it is not repeated."""
    detail = f"{path} holds what looks like a card number; send a token in its place"
    return Problem(
        status=422,
        code="card-number",
        title="A card number was sent",
        detail=detail,
        errors=(Fault(path=path, code="card-number", detail=detail),),
    )


def check_body(body: bytes) -> None:
    """Problem where a text, a key or a whole number of a JSON body holds a card number."""
    if b"\\" not in body and not may_hold_card_number(body):
        return
    try:
        data = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return  # no JSON: its own problem says so, and repeats nothing of it
    path = next(_paths(data), None)
    if path is not None:
        raise card_number(path)


def check_values(values: dict[str, Any]) -> None:
    """The same of fields that were read already: texts and whole numbers."""
    members = [
        (name, _Whole(value) if isinstance(value, int) else value) for name, value in values.items()
    ]
    path = next(_paths(_Members(members)), None)
    if path is not None:
        raise card_number(path)


def may_hold_card_number(body: bytes) -> bool:
    """False where no part of a body without escapes holds a card number; True may be more than
    there is.
    """
    # in slices: the expression does not give way to other threads while it searches one
    return any(_may_hold(body[at : at + _SLICE + _OVERLAP]) for at in range(0, len(body), _SLICE))


def _may_hold(body: bytes) -> bool:
    if body.isascii():
        return any(_is_hit(found[0].decode()) for found in _RUN_OF_BYTES.finditer(body))
    plain = _plain(body.decode(errors="replace"))
    return any(_is_hit(found[0]) for found in _RUN.finditer(plain))


def scrubbed(value: Any) -> Any:
    """JSON values, without texts that hold a card number."""
    if isinstance(value, str):
        return _SCRUBBED if holds_card_number(value) else value
    if isinstance(value, dict):
        return {scrubbed(key): scrubbed(each) for key, each in value.items()}
    return [scrubbed(each) for each in value] if isinstance(value, list) else value


def without_cards(problem: Problem) -> Problem:
    """The problem, without what it repeats of a body that is a card number."""
    errors = tuple(
        Fault(path=scrubbed(each.path), code=each.code, detail=scrubbed(each.detail))
        for each in problem.errors
    )
    return replace(problem, detail=scrubbed(problem.detail), errors=errors)


def holds_card_number(text: str) -> bool:
    """True where a text holds a card number."""
    plain = _plain(text)
    return any(_is_card_in(plain, *found.span()) for found in _RUN.finditer(plain))


class _Members(list[tuple[str, Any]]):
    """An object with every member, also of a key that stands twice."""


class _Whole(str):
    """A whole number, as it was written."""


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Members,
    parse_int=_Whole,
    parse_float=lambda _: None,
    parse_constant=lambda _: None,
)


def _paths(data: Any) -> Iterator[str]:
    """JSONPaths of what holds a card number; a key that does is told by the object it stands in."""
    left: list[tuple[str, str, Any]] = [("$", "", data)]
    while left:
        path, key, value = left.pop()
        if isinstance(value, _Members):
            for name, each in value:
                if holds_card_number(name):
                    yield path
                    return
                inner = path_of(name).removeprefix("$")
                left.append((path + inner, name, each))
        elif isinstance(value, list):
            left += [(f"{path}[{number}]", key, each) for number, each in enumerate(value)]
        elif isinstance(value, _Whole):
            is_amount = key.endswith(_AMOUNTS_AND_TIMES) and len(value.lstrip("-")) == LEAST
            if not is_amount and holds_card_number(value):
                yield path
        elif isinstance(value, str) and holds_card_number(value):
            yield path


def _is_hit(run: str) -> bool:
    """Whether digits with gaps between them may be a card number, whatever stands around them."""
    if run.isdigit():
        return LEAST <= len(run) <= MOST and _is_card(run)
    return any(True for _ in _windows(run))


def _is_card_in(text: str, start: int, end: int) -> bool:
    """Whether a run of digits in a text is or has a card number, and no hash, UUID or decimal."""
    return any(not _is_other(text, start + at, start + to) for at, to in _windows(text[start:end]))


def _windows(run: str) -> Iterator[tuple[int, int]]:
    """Where card numbers stand in a run: from the start of a group of digits to the end of one.

    Luhn's sums of all windows come from two running sums, so that a long run costs no more a digit.
    """
    groups = [(found.start(), found.end()) for found in _GROUP.finditer(run)]
    digits = "".join(run[at:to] for at, to in groups)
    sums = _running_sums(digits)
    ends, begins, count = {}, [], 0
    for number, (at, to) in enumerate(groups):
        begins.append(count)
        count += to - at
        ends[count] = number
    for number, begin in enumerate(begins):
        for size in _sizes(digits[begin : begin + 6]):
            last = ends.get(begin + size)
            if last is None:
                continue
            doubled = sums[(begin + size) % 2]
            if (doubled[begin + size] - doubled[begin]) % 10:
                continue
            inside = groups[number : last + 1]
            if size > LEAST or tuple(to - at for at, to in inside) in _OF_13:
                yield groups[number][0], groups[last][1]


def _running_sums(digits: str) -> tuple[list[int], list[int]]:
    """Sums up to each digit: of digits with those at even places doubled, and at odd places."""
    even, odd = [0], [0]
    for place, char in enumerate(digits):
        digit = int(char)
        twice = _TWICE[digit]
        even.append(even[-1] + (digit if place % 2 else twice))
        odd.append(odd[-1] + (twice if place % 2 else digit))
    return even, odd


@lru_cache(maxsize=4096)
def _sizes(head: str) -> tuple[int, ...]:
    """Lengths of card numbers that begin with these six digits."""
    if head[0] not in _FIRST:
        return ()
    number = int(head.ljust(6, "0"))
    found = {size for _, least, most, sizes in SCHEMES if least <= number <= most for size in sizes}
    return tuple(sorted(found))


def _is_card(digits: str) -> bool:
    if digits[0] not in _FIRST or len(digits) not in _sizes(digits[:6]):
        return False
    even, odd = _running_sums(digits)
    return (odd if len(digits) % 2 else even)[-1] % 10 == 0


def _is_other(text: str, start: int, end: int) -> bool:
    """Digits in a word of hexadecimal digits with letters, in a UUID, or after a decimal point."""
    if re.match(r"[0-9]+$", text[start:end]):
        if re.search(r"[0-9]\.$", text[max(start - 2, 0) : start]):
            return True
        word = next(
            found for found in _WORD.finditer(text, _word_start(text, start)) if found.end() >= end
        )
        if _HASH.fullmatch(word[0]):
            return True
    return any(
        found.start() <= start and end <= found.end()
        for found in _UUID.finditer(text, max(start - 36, 0), end + 36)
    )


def _word_start(text: str, start: int) -> int:
    while start > 0 and text[start - 1].isascii() and text[start - 1].isalnum():
        start -= 1
    return start


class _Plainly:
    """`str.translate`: digits of every script to 0 to 9, spaces, dashes and dots to one each."""

    def __getitem__(self, code: int) -> int:
        return code if code < 128 else _plain_code(code)


@lru_cache(maxsize=4096)
def _plain_code(code: int) -> int:
    char = chr(code)
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return ord("0") + digit
    if code in _DOTS:
        return ord(".")
    kind = unicodedata.category(char)
    if kind == "Pd" or code == _MINUS:
        return ord("-")
    return ord(" ") if kind in ("Zs", "Zl", "Zp", "Cf", "Cc", "Mn", "Me") else ord("?")


def _plain(text: str) -> str:
    return text if text.isascii() else text.translate(_Plainly())
