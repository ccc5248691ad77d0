"""Numbers of a file as whole numbers of the contract, exactly: times a scale, and refused where
anything would be left behind the point.
"""

import re
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.workbench.mapping.declared import Source, Written
from riskstream.workbench.mapping.findings import PART, Flags, Note, flags, nulls_of

_MOST = 10**18
"""Whole numbers of the contract are below it."""
_PLACES = 12
"""Most digits behind the point of the quick way."""
LOST = "lost its digits, as spreadsheets write long numbers: export the column as text"
_SPACES = "\u00a0\u202f\u2009 \t"


class Numbers(NamedTuple):
    """`values` int64[n], 0 where `missing`: null or noted."""

    values: NDArray[np.int64]
    missing: Flags


def numbers(column: pa.Array, source: Source, scale: Decimal, note: Note) -> Numbers:
    """The column times `scale`. A row that is no number, or not a whole one then, is noted."""
    missing = nulls_of(column)
    kind = column.type
    if pa.types.is_string(kind):
        return _of_texts(column, source, scale, note)
    if pa.types.is_boolean(kind) or not _is_number(kind):
        note(~missing, f"a {kind} is no number")
        return Numbers(np.zeros(len(column), np.int64), np.ones(len(column), np.bool_))
    if pa.types.is_decimal(kind):
        return _of_texts(column.cast(pa.string()), source, scale, note, is_typed=True)
    if pa.types.is_integer(kind):
        return _of_integers(column, source, scale, note)
    return _of_floats(column, source, scale, note)


def floats(
    column: pa.Array, source: Source, note: Note
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(the column as floats, which are missing: null or noted). NaN stays. A float of fewer bits
    stands for its shortest decimal number here too.
    """
    missing, kind = nulls_of(column), column.type
    if pa.types.is_decimal(kind):
        column, source = column.cast(pa.string()), Source(written=Written(decimal="."))
    if pa.types.is_string(column.type):
        return _floats_of_texts(column, source, note)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        note(~missing, f"a {kind} is no number")
        return np.zeros(len(column)), np.ones(len(column), np.bool_)
    raw = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind):
        beyond = (raw > 2**53) | (raw < -(2**53))
        note(beyond, "more digits than a float holds")
        missing = missing | beyond
    else:
        raw = _shortest(raw)
    return np.where(missing, 0.0, raw.astype(np.float64)), missing


def _floats_of_texts(
    column: pa.Array, source: Source, note: Note
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    coded = column.dictionary_encode()
    found = [_decimal(text, source, source.written) for text in coded.dictionary.to_pylist()]
    codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    values = np.array([0.0 if isinstance(each, str) else float(each) for each in found] + [0.0])
    told = np.array([each if isinstance(each, str) else "" for each in found] + [""], object)[codes]
    for why in sorted({each for each in found if isinstance(each, str)}):
        note(told == why, why)
    missing = (codes < 0) | (told != "")
    return np.where(missing, 0.0, values[codes]), missing


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _of_integers(column: pa.Array, source: Source, scale: Decimal, note: Note) -> Numbers:
    if source.is_cut and (divisor := _divisor(scale)):
        return _cut(column, divisor)
    if scale != scale.to_integral_value():
        return _of_texts(column.cast(pa.string()), source, scale, note, is_typed=True)
    missing, factor = nulls_of(column), int(scale)
    limit = _MOST // max(abs(factor), 1)
    raw = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
    if len(raw) and (raw.max() > limit or raw.min() < -limit):
        beyond = (raw > limit) | (raw < -limit)
        note(beyond, "too large")
        missing, raw = missing | beyond, np.where(beyond, 0, raw)
    return Numbers(raw.astype(np.int64) * factor, missing)


def _divisor(scale: Decimal) -> int:
    """The power of ten by which a scale below 1 divides; 0 where it is no such scale."""
    is_power = scale == Decimal(1).scaleb(scale.adjusted())
    return 10 ** -scale.adjusted() if is_power and scale < 1 else 0


def _cut(column: pa.Array, divisor: int) -> Numbers:
    """Whole numbers divided, and cut to the whole number below."""
    raw = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
    wide = raw if raw.dtype == np.uint64 else raw.astype(np.int64)
    values = (wide // wide.dtype.type(divisor)).astype(np.int64)
    return Numbers(values, nulls_of(column))


def _of_floats(column: pa.Array, source: Source, scale: Decimal, note: Note) -> Numbers:
    """A float stands for the shortest decimal number that it is nearest to: 0.29 times 100 is
    29.
    """
    missing = nulls_of(column)
    raw = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
    is_no_number = ~np.isfinite(raw) & ~missing
    note(is_no_number, "not a number")
    values = np.where(is_no_number | missing, 0, _shortest(raw)) * float(scale)
    slack = np.maximum(np.abs(values) * 1e-15, 1e-9)
    whole = np.floor(values + slack) if source.is_cut else np.rint(values)
    is_part = ~is_no_number & (np.abs(values - whole) > slack)
    if source.is_rounded:
        is_part[:] = False
    _note_part(is_part, scale, note)
    # a float has 15 digits (float64), 6 (float32) or 3 (float16) that are all told
    digits = np.finfo(raw.dtype).precision
    is_blurred = ~is_no_number & (np.abs(values) * 10.0**-digits >= 0.5)
    note(is_blurred, f"more digits than a {column.type} holds")
    is_blurred |= is_part
    wrong = missing | is_no_number | is_blurred | (np.abs(values) >= _MOST)
    return Numbers(np.where(wrong, 0, whole).astype(np.int64), wrong)


def _shortest(raw: NDArray[np.floating]) -> NDArray[np.float64]:
    """Floats of fewer bits by their shortest decimal numbers: the float32 of 0.29 is 0.29."""
    if raw.dtype == np.float64:
        return np.asarray(raw, np.float64)
    return np.array([float(str(each)) for each in raw], np.float64)


def _note_part(rows: Flags, scale: Decimal, note: Note) -> None:
    note(rows, _part(scale), check=PART)


def _part(scale: Decimal) -> str:
    return (
        "not a whole number: major units take `scale: 100` or `major: true`"
        if scale == 1
        else f"not a whole number times {scale}: say `round: true`, or another scale"
    )


def _of_texts(
    column: pa.Array, source: Source, scale: Decimal, note: Note, *, is_typed: bool = False
) -> Numbers:
    """The quick way where all texts are plain, the other by each different text."""
    written = Written(decimal=".") if is_typed else source.written
    bare = column if is_typed else _bare(column, written)
    places = -int(scale.adjusted()) if scale == Decimal(1).scaleb(scale.adjusted()) else 1
    is_power = scale == Decimal(1).scaleb(scale.adjusted()) and 0 <= -places <= _PLACES
    missing = nulls_of(column)
    divisor = _divisor(scale) if source.is_cut else 0
    if divisor and pc.all(pc.match_substring_regex(bare, r"^-?\d{1,18}$")).as_py():
        return _cut(bare.cast(pa.int64()), divisor)
    if is_power:
        quick = _quick(bare, -places, written)
        if quick is not None:
            return Numbers(quick, missing)
    return _one_by_one(column, source, scale, note, written)


def _bare(column: pa.Array, written: Written) -> pa.Array:
    """Plain texts, with a point and nothing between thousands, of those that are written as
    said.
    """
    out = pc.utf8_trim(column, _SPACES)
    if written.symbol:
        before, behind = _symbol_at(written.symbol)
        out = pc.replace_substring_regex(out, before, r"\1", max_replacements=1)
        out = pc.replace_substring_regex(out, behind, r"\1", max_replacements=1)
    point, between = written.decimal or ".", written.thousands
    if between:
        shape = rf"^[-+]?{_grouped(between)}({_re(point)}\d*)?$"
        grouped = pc.match_substring_regex(out, shape)
        joined = pc.replace_substring(out, between, "")
        # a thousands separator anywhere else is none: such a text stays, and is looked at by itself
        out = pc.if_else(pc.fill_null(grouped, False), joined, out)
        if between == ".":
            clean = pc.match_substring_regex(out, rf"^[-+]?\d*({_re(point)}\d*)?$")
            out = pc.if_else(pc.fill_null(clean, False), out, pa.scalar("?"))
    if point != ".":
        out = pc.replace_substring(out, ".", "?") if between != "." else out
        out = pc.replace_substring(out, point, ".")
    return out


def _grouped(between: str) -> str:
    """The expression of digits in groups of three. With a comma also as in India, of two digits but
    for the last: 1,00,000.
    """
    mark = _re(between)
    threes = rf"\d{{1,3}}(?:{mark}\d{{3}})+"
    return rf"(?:{threes}|\d{{1,2}}(?:,\d\d)+,\d{{3}})" if between == "," else threes


def _symbol_at(symbol: str) -> tuple[str, str]:
    """Expressions of the symbol in front of a number, behind its sign, and at the end."""
    return rf"^([-+(]*)\s*{_re(symbol)}\s*", rf"\s*{_re(symbol)}\s*(\)?)$"


def _re(text: str) -> str:
    return "".join(f"\\{each}" if each in ".^$*+?()[]{}|\\" else each for each in text)


def _quick(bare: pa.Array, places: int, written: Written) -> NDArray[np.int64] | None:
    """The texts times 10^places where each is a plain number of at most so many digits behind the
    point; None where one is not.
    """
    shape = rf"^-?\d{{1,{17 - places}}}(\.\d{{1,{places}}})?$" if places else r"^-?\d{1,17}$"
    if not pc.all(pc.match_substring_regex(bare, shape)).as_py():
        return None
    if places >= 3 and not written.decimal and flags(_is_ambiguous(bare)).any():
        return None
    held = bare.fill_null("0").cast(pa.decimal128(38, places))
    words = np.frombuffer(held.buffers()[1], np.int64)
    return np.array(words[2 * held.offset : 2 * (held.offset + len(held)) : 2])


def _is_ambiguous(bare: pa.Array) -> pa.Array:
    return pc.match_substring_regex(bare, r"^[-+]?\d{1,3}\.\d{3}$")


def _one_by_one(
    column: pa.Array, source: Source, scale: Decimal, note: Note, written: Written
) -> Numbers:
    coded = column.dictionary_encode()
    found = [_read(text, source, scale, written) for text in coded.dictionary.to_pylist()]
    codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    values = np.array([each if isinstance(each, int) else 0 for each in found] + [0], np.int64)
    whys = np.array([each if isinstance(each, str) else "" for each in found] + [""], object)
    told = whys[codes]
    for why in sorted({each for each in found if isinstance(each, str)}):
        note(told == why, why, check=PART if why == _part(scale) else "")
    missing = (codes < 0) | (told != "")
    return Numbers(np.where(missing, 0, values[codes]), missing)


def _read(text: str, source: Source, scale: Decimal, written: Written) -> int | str:
    """The number, or why it is none."""
    given = _decimal(text, source, written)
    if isinstance(given, str):
        return given
    if source.is_minor and int(given.as_tuple().exponent) < -1:
        return _part(scale)
    found = given * scale
    if not found.is_finite() or abs(found) >= _MOST:
        return "too large"
    whole = found.to_integral_value(ROUND_FLOOR if source.is_cut else ROUND_HALF_EVEN)
    if whole != found and not source.is_rounded:
        return _part(scale)
    return int(whole)


def _decimal(text: str, source: Source, written: Written) -> Decimal | str:
    """What a text says, or why it says no number."""
    bare = text.strip(_SPACES).replace("\u2212", "-")
    if written.symbol:
        before, behind = _symbol_at(written.symbol)
        bare = re.sub(behind, r"\1", re.sub(before, r"\1", bare, count=1), count=1)
    sign, bare = _signed(bare)
    if source.negative and bare.startswith("(") and bare.endswith(")"):
        bare, sign = bare[1:-1], -sign
    if why := _why_not(bare, written):
        return why
    if written.thousands:
        bare = bare.replace(written.thousands, "")
    try:
        return sign * Decimal(bare.replace(written.decimal or ".", "."))
    except InvalidOperation:
        return "not a number"


def _signed(bare: str) -> tuple[int, str]:
    """(1 or -1, the text without its sign), where the sign is one of book-keepers: a minus behind
    the number or apart from it, CR behind it. DR is a plus.
    """
    if bare[:1].isdigit() and bare[-1:].isdigit():
        return 1, bare
    if found := re.fullmatch(r"([^-+(]*\d[.,]?)\s*(-|CR|DR)\.?", bare, re.IGNORECASE):
        return 1 if found[2].upper() == "DR" else -1, found[1]
    return 1, re.sub(r"^([-+])\s+", r"\1", bare)


def _why_not(bare: str, written: Written) -> str:
    """Why a text is not written as said; empty where it is."""
    point, between = written.decimal or ".", written.thousands
    told = bare.replace(between, "") if between else bare
    if not told.isascii() or not any(each.isdigit() for each in told):
        return _other(bare)
    if short := re.fullmatch(rf"[-+]?\d(?:{re.escape(point)}(\d+))?[eE]\+?(\d{{1,3}})", bare):
        is_whole = len(short[1] or "") >= int(short[2])
        return "" if is_whole else LOST
    if re.fullmatch(
        rf"[-+]?(?:\d+{re.escape(point)}?\d*|{re.escape(point)}\d+)(?:[eE]-\d+)?", bare
    ):
        is_open = not written.decimal and not between and re.fullmatch(r"[-+]?\d{1,3}\.\d{3}", bare)
        return (
            'may have thousands or a fraction: say `decimal: "."` or `thousands: "."`'
            if is_open
            else ""
        )
    if between and re.fullmatch(rf"[-+]?{_grouped(between)}(?:{_re(point)}\d*)?", bare):
        return ""
    return _other(bare)


def _other(bare: str) -> str:
    """What a text that is no plain number looks like."""
    if re.fullmatch(r"\(.*\)", bare):
        return "in brackets, as book-keepers write what is below zero: say `negative: REFUND`"
    if re.search(r"[$€£¥₹]|^[A-Z]{3}\b|\b[A-Z]{3}$", bare):
        return "with a currency: say `symbol:`"
    if re.fullmatch(r"[-+]?[0-9.,' \u00a0\u202f]+", bare) and re.search(r"[0-9]", bare):
        return "not written as said: say `decimal:` and `thousands:`"
    return "not a number"
