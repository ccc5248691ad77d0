"""Ways to write amounts."""

from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from tests.support.tables.truth import DIGITS, Truth
from tests.support.tables.way import (
    CELL,
    JSON,
    TYPED,
    Way,
    coded,
    of_decimals,
    of_integers,
    of_texts,
)

_EXACT = 2**53
_DROPPED = ("decimal", "thousands", "symbol", "scale")
"""What a mapping may forget to say: then a text is refused, or can be read in no other way."""


def amount_ways(rng: Random, truth: Truth, medium: str) -> Way:
    """One way to write amount_minor. Refunds may be below zero."""
    minor = truth.fields["amount_minor"]
    if rng.random() < 0.35:
        return _minor(rng, minor, medium)
    if medium == TYPED and rng.random() < 0.6:
        return _typed(rng, truth)
    if medium in (JSON, CELL) and rng.random() < 0.5:
        return _floats(rng, truth, medium)
    return _texts(rng, truth, medium)


def _minor(rng: Random, minor: list[int], medium: str) -> Way:
    """Minor units, as the contract has them."""
    if medium == TYPED and rng.random() < 0.7:
        if rng.random() < 0.2 and max(minor) < 10**12:
            return Way(columns=[pa.array([float(each) for each in minor])])
        return Way(columns=[of_integers(rng, list(minor))])
    if medium in (JSON, CELL) and rng.random() < 0.7:
        return Way(columns=[list(minor)])
    return Way(columns=[of_texts(rng, list(map(str, minor)), medium)])


def _scale(rng: Random, truth: Truth) -> tuple[list[int], dict[str, Any]]:
    """(digits of each row's currency, what a mapping says of them)."""
    digits = [DIGITS[each] for each in truth.fields["currency"]]
    if len(set(digits)) > 1 or rng.random() < 0.3:
        return digits, {"major": True}
    return digits, {"scale": 10 ** digits[0]} if digits[0] else {}


def _signed(rng: Random, truth: Truth) -> tuple[list[int], dict[str, Any]]:
    """(amounts, what a mapping says of their signs)."""
    minor = truth.fields["amount_minor"]
    if rng.random() < 0.7 or any(
        each == 0 and is_refund for each, is_refund in zip(minor, truth.are_refunds(), strict=True)
    ):
        return list(minor), {}
    found = [
        -each if is_refund else each
        for each, is_refund in zip(minor, truth.are_refunds(), strict=True)
    ]
    return found, {"negative": "REFUND"}


def _typed(rng: Random, truth: Truth) -> Way:
    signed, sign = _signed(rng, truth)
    digits, source = _scale(rng, truth)
    source |= sign
    major = [Decimal(each).scaleb(-places) for each, places in zip(signed, digits, strict=True)]
    is_whole = all(each == each.to_integral_value() for each in major)
    is_sure = True
    if "scale" in source and rng.random() < 0.15 and not is_whole:
        del source["scale"]
        is_sure = False
    if is_whole and rng.random() < 0.4:
        return Way(
            columns=[of_integers(rng, list(map(int, major)))], source=source, is_sure=is_sure
        )
    if rng.random() < 0.5:
        return Way(columns=[of_decimals(rng, major, max(digits))], source=source, is_sure=is_sure)
    kind = rng.choice(["f8", "f8", "f4", "f2"])
    is_sure = is_sure and kind == "f8" and max(map(abs, signed)) < 10**13
    with np.errstate(over="ignore"):
        column = pa.array(np.array([float(each) for each in major], kind))
    if kind != "f2" and rng.random() < 0.15:
        column = coded(rng, column)
    return Way(columns=[column], source=source, is_sure=is_sure)


def _floats(rng: Random, truth: Truth, medium: str) -> Way:
    """Major units as a program's floats, or as cells."""
    signed, sign = _signed(rng, truth)
    digits, source = _scale(rng, truth)
    major = [each / 10**places for each, places in zip(signed, digits, strict=True)]
    is_sure = max(map(abs, signed)) < (10**13 if medium == JSON else 10**12)
    # three digits behind the point may be thousands, where no `decimal` says otherwise
    source["decimal"] = "."
    return Way(columns=[major], source={**source, **sign}, is_sure=is_sure)


def _texts(rng: Random, truth: Truth, medium: str) -> Way:
    signed, sign = _signed(rng, truth)
    digits, source = _scale(rng, truth)
    point = rng.choice([".", ","])
    between = rng.choice(["", "", ",", ".", " ", "'", "\u00a0", "\u202f", "\u2019"])
    between = "" if between == point else between
    symbol = rng.choice(["", "", "", "$", "€", "kr", "EUR", "US$"])
    is_short = rng.random() < 0.3
    write = _writer(rng, (point, between, symbol), is_short=is_short, has_sign=bool(sign))
    texts = [write(each, places) for each, places in zip(signed, digits, strict=True)]
    source |= {**sign, "decimal": point}
    if between:
        source["thousands"] = between
    if symbol:
        source["symbol"] = symbol
    is_sure = True
    if rng.random() < 0.25:
        name = rng.choice(_DROPPED)
        # whole major units that look like minor ones are no error of a reader
        if name in source and not (name == "scale" and (is_short or max(digits) < 2)):
            del source[name]
            is_sure = False
    return Way(columns=[of_texts(rng, texts, medium)], source=source, is_sure=is_sure)


def _writer(rng: Random, marks: tuple[str, str, str], *, is_short: bool, has_sign: bool) -> Any:
    """A function that writes minor units with so many digits as text."""
    point, between, symbol = marks
    gap, is_behind = rng.choice(["", " "]), rng.random() < 0.5
    is_in_brackets = has_sign and rng.random() < 0.4
    plus, space = rng.choice(["", "", "+"]), rng.choice(["", "", " "])

    def write(minor: int, digits: int) -> str:
        whole, part = divmod(abs(minor), 10**digits)
        text = f"{whole:,}".replace(",", between)
        fraction = f"{part:0{digits}d}" if digits else ""
        if is_short:
            fraction = fraction.rstrip("0")
        text += point + fraction if fraction else ""
        sign = plus if minor >= 0 else "-"
        if minor < 0 and is_in_brackets:
            sign = ""
        if symbol and is_behind:
            text = f"{sign}{text}{gap}{symbol}"
        elif symbol:
            text = f"{sign}{symbol}{gap}{text}"
        else:
            text = f"{sign}{text}"
        if minor < 0 and is_in_brackets:
            text = f"({text})"
        return f"{space}{text}{space}"

    return write
