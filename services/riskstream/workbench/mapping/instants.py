"""Times of a file as ms since 1970 UTC: Arrow's types, ISO 8601, texts of a declared format, and
numbers in a unit.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.workbench.mapping.advice import EARLIEST_MS, advice
from riskstream.workbench.mapping.declared import UNITS_MS, Clock, Source
from riskstream.workbench.mapping.findings import Flags, Note, flags, nulls_of
from riskstream.workbench.mapping.numbers import Numbers, numbers

_LATEST_MS = 253_402_300_799_999
_WHOLE = ("min", "h", "d")
"""Units whose numbers may have an endless fraction: these times are rounded to a ms, others cut."""
_ADJACENT = re.compile("%[dmyYHIMSjf]%[dmyYHIMSjf]")
_QUICK = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"
_DIGITS = r"^-?\d+(\.\d+)?$"
_ISO = re.compile(
    r"(\d{4})(?P<dash>-?)(\d\d)(?P=dash)(\d\d)"
    r"(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r" ?(Z|UTC|GMT|[-+]\d\d(?::?\d\d)?)?"
)


def instants(column: pa.Array, source: Source, note: Note, latest_ms: int) -> Numbers:
    """The column's times. A row that has none, or one before 2000 or behind `latest_ms`, is
    noted.
    """
    found = _read(column, source, note)
    there = ~found.missing
    early = there & (found.values < EARLIEST_MS)
    late = there & (found.values > latest_ms)
    if (early | late).any():
        said = advice(column, source.clock, early | late, latest_ms)
        note(early, f"before 2000{said}", check="old-times")
        note(late, f"in the future{said}", check="future-times")
    note(there & ((found.values < 0) | (found.values > _LATEST_MS)), "outside 1970 to 9999")
    return found


def _read(column: pa.Array, source: Source, note: Note) -> Numbers:
    kind, clock = column.type, source.clock
    if pa.types.is_date(kind):
        return _zoned(column.cast(pa.timestamp("ms")), clock, note)
    if pa.types.is_timestamp(kind):
        return _zoned(column, clock, note)
    if pa.types.is_string(kind):
        return _of_texts(column, source, note)
    if pa.types.is_integer(kind) and clock.format:
        return _of_texts(column.cast(pa.string()), source, note)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        note(flags(pc.is_valid(column)), "a time of day without a date")
        return Numbers(np.zeros(len(column), np.int64), np.ones(len(column), np.bool_))
    return _of_numbers(column, source, note)


def _of_numbers(column: pa.Array, source: Source, note: Note) -> Numbers:
    clock = source.clock
    is_cut = clock.unit not in _WHOLE
    rounded = Source(is_rounded=True, is_cut=is_cut, written=source.written)
    found = numbers(column, rounded, UNITS_MS[clock.unit or "ms"], note)
    return Numbers(np.where(found.missing, 0, found.values + clock.start_ms), found.missing)


def _zoned(column: pa.Array, clock: Clock, note: Note) -> Numbers:
    """Timestamps with a zone, or without one in the clock's."""
    missing = nulls_of(column)
    if column.type.tz is None and clock.zone != "UTC":
        try:
            first, last = (
                pc.assume_timezone(column, clock.zone, ambiguous=end, nonexistent=end)
                for end in ("earliest", "latest")
            )
        except pa.ArrowInvalid:
            note(~missing, f"the zone {clock.zone} is not known here")
            return Numbers(np.zeros(len(column), np.int64), np.ones(len(column), np.bool_))
        is_twofold = flags(pc.not_equal(first, last))
        note(is_twofold, f"not one instant in {clock.zone}: its clocks were changed then")
        column, missing = first, missing | is_twofold
    per = {"s": 1000, "ms": 1, "us": -1000, "ns": -1_000_000}[column.type.unit]
    raw = np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    ms = raw // -per if per < 0 else np.where(np.abs(raw) < _LATEST_MS, raw, _LATEST_MS) * per
    return Numbers(np.where(missing, 0, ms), missing)


def _of_texts(column: pa.Array, source: Source, note: Note) -> Numbers:
    clock = source.clock
    text = pc.utf8_trim_whitespace(column)
    missing = nulls_of(text)
    if not clock.format:
        is_number = flags(pc.match_substring_regex(text, _DIGITS))
        is_basic = flags(pc.match_substring_regex(text, r"^(19|20)\d{6}$")) & (clock.unit == "")
        is_number &= ~is_basic
        if (is_number | missing).all() or (clock.unit and is_number.any()):
            return _of_numbers(text, source, note)
        note(
            is_number,
            "a number among texts: say `unit:`, or correct it",
        )
        missing |= is_number
        if pc.all(pc.match_substring_regex(text, _QUICK)).as_py():
            try:
                return _zoned(text.cast(pa.timestamp("us")), clock, note)
            except pa.ArrowInvalid:
                pass  # a day that is none, or 24:00: one by one
    return _one_by_one(text, clock, missing, note)


def _one_by_one(text: pa.Array, clock: Clock, missing: Flags, note: Note) -> Numbers:
    coded = text.dictionary_encode()
    zone = UTC if clock.zone == "UTC" else ZoneInfo(clock.zone)
    found = [_instant(each, clock, zone) for each in coded.dictionary.to_pylist()]
    codes = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    values = np.array([each if isinstance(each, int) else 0 for each in found] + [0], np.int64)
    told = np.array([each if isinstance(each, str) else "" for each in found] + [""], object)[codes]
    for why in sorted({each for each in found if isinstance(each, str)}):
        note((told == why) & ~missing, why)
    missing = missing | (told != "")
    return Numbers(np.where(missing, 0, values[codes]), missing)


def _instant(text: str, clock: Clock, zone: tzinfo) -> int | str:
    """ms since 1970, or why the text is no instant."""
    if not clock.format:
        return _iso(text, clock, zone)
    try:
        at = datetime.strptime(text, clock.format)
    except ValueError as error:
        said = str(error)
        return (
            "no such day"
            if "day is out of range" in said or "day of month" in said
            else f"not written as `{clock.format}`"
        )
    if _ADJACENT.search(clock.format) and not _is_padded(text, at, clock.format):
        return f"not written as `{clock.format}`: zeros are missing between its digits"
    return _ms(at, clock, zone)


def _is_padded(text: str, at: datetime, form: str) -> bool:
    """Whether each part has all its digits: strptime reads 1032024 as the tenth of March. Fractions
    have three or six.
    """
    head, mark, _ = re.split("(%[fzZ]|$)", form, maxsplit=1)
    padded = at.strftime(head).casefold()
    rest = text[len(padded) :]
    if not text.casefold().startswith(padded) or (not mark and rest):
        return False
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return mark != "%f" or digits in (3, 6)


def _iso(text: str, clock: Clock, zone: tzinfo) -> int | str:
    shape = _ISO.fullmatch(text)
    if shape is None:
        return _not_iso(text)
    if re.search(r"[T ]\d{4}(?!\d)", text):
        return "a time of four digits, which may have lost others: say `format:`"
    parts = [each for at, each in enumerate(shape.groups()) if at != 1]
    year, month, day, hour, minute, second = (int(each or 0) for each in parts[:6])
    fraction, named = parts[6] or "0", parts[7]
    is_midnight = (hour, minute, second) == (24, 0, 0) and not int(fraction)
    is_leap = second == 60
    try:
        at = datetime(year, month, day)
    except ValueError:
        return "no such day"
    try:
        at = at.replace(
            hour=0 if is_midnight else hour, minute=minute, second=59 if is_leap else second
        )
    except ValueError:
        return "no such time of day"
    at += timedelta(days=is_midnight, microseconds=int(fraction.ljust(9, "0")[:6]))
    ahead = _offset(named)
    if ahead is None:
        return "no such offset of a zone"
    found = _ms(at, clock, zone) if named is None else _ms(at, Clock(), UTC)
    if isinstance(found, str):
        return found
    found -= ahead
    if is_leap:
        # the leap second is the last of a day in UTC, and POSIX gives it the number of the next
        if (found // 1000) % 86_400 != 86_399:
            return "second 60 is a leap second, and there is none then"
        return found - found % 1000 + 1000
    return found


def _offset(text: str | None) -> int | None:
    """ms ahead of UTC; None where no zone is so far."""
    if text is None or text in ("Z", "UTC", "GMT"):
        return 0
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 15 or minutes > 59:
        return None
    return (-1 if text[0] == "-" else 1) * (hours * 60 + minutes) * 60_000


def _ms(at: datetime, clock: Clock, zone: tzinfo) -> int | str:
    """ms since 1970 of a time with its own zone, or in the clock's."""
    if at.tzinfo is None:
        if zone is not UTC:
            both = {at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
            if len(both) > 1:
                return f"not one instant in {clock.zone}: its clocks were changed then"
        at = at.replace(tzinfo=zone)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _not_iso(text: str) -> str:
    if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*", text):
        return "day and month are not told apart: say `format:`, like `%d/%m/%Y %H:%M`"
    if re.fullmatch(r"\d{4}\D\d{1,2}\D\d{1,2}.*", text):
        return "not ISO 8601: say `format:`, like `%Y-%m-%d %H:%M`"
    return "no time: say `format:`"
