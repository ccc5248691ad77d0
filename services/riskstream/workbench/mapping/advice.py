"""What to say of times that are implausible: another unit, a format, or days of a spreadsheet."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from riskstream.workbench.mapping.declared import UNITS_MS, Clock
from riskstream.workbench.mapping.findings import Flags

EARLIEST_MS = 946_684_800_000
"""2000-01-01: what is before it is taken for a unit that was misread."""
SHEET_START = "1899-12-30"
"""The day from which spreadsheets count."""
SHEET_START_MS = -2_209_161_600_000
SHEET_DAYS = 36_526, 60_000
"""2000-01-01 and the year 2064 as a spreadsheet counts days."""
DIGIT_FORMATS = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d", "%d%m%Y", "%m%d%Y")
_LENGTHS = {"%Y%m%d%H%M%S": 14, "%Y%m%d%H%M": 12}
_LOOKED_AT = 1000


def advice(column: pa.Array, clock: Clock, rows: Flags, latest_ms: int) -> str:
    """What to say where these rows are dates or another unit; empty where nothing is plausible."""
    if clock.format or not rows.any():
        return ""
    try:
        texts = [str(each) for each in _different(column.filter(pa.array(rows)))]
        values = [Decimal(each) for each in texts]
    except (ArithmeticError, ValueError, pa.ArrowException):
        return ""
    if not all(each.is_finite() for each in values):
        return ""
    if form := digits_format(texts):
        return f": dates in digits, say `format: '{form}'`"
    if has_lost_zeros(texts):
        return ": dates that lost their first zero: export the column as text"
    if clock.start_ms == 0 and all(SHEET_DAYS[0] <= each <= SHEET_DAYS[1] for each in values):
        return f": days of a spreadsheet take `unit: d` and `start: {SHEET_START}`"
    if unit := _unit(values, clock, latest_ms):
        return f": it looks like {unit}, say `unit: {unit}`"
    if clock.start_ms == 0 and max(values) < 10**9:
        return ": a count of steps takes `start: 2020-01-01` and `unit:`"
    return ""


def _different(column: pa.Array) -> list[object]:
    found: list[object] = pc.unique(column).slice(0, _LOOKED_AT).to_pylist()
    return [each.strip() if isinstance(each, str) else each for each in found]


def _unit(values: list[Decimal], clock: Clock, latest_ms: int) -> str:
    """The unit by which all values are plausible. From a `start` on, almost any number is: there
    different values must not be of one hour.
    """
    least, most = min(values), max(values)
    for unit, ms in UNITS_MS.items():
        first, last = (int(each * ms) + clock.start_ms for each in (least, most))
        is_spread = clock.start_ms == 0 or least == most or last - first >= UNITS_MS["h"]
        if first >= EARLIEST_MS and last <= latest_ms and is_spread:
            return unit
    return ""


def digits_format(texts: list[str]) -> str:
    """The format by which all texts of digits are dates of 2000 to 2100, like 20250301082300; empty
    where none is.
    """
    return next((form for form in DIGIT_FORMATS if all(_is(each, form) for each in texts)), "")


def has_lost_zeros(texts: list[str]) -> bool:
    """Whether all texts are days of eight digits, where some lost the zero in front."""
    padded = [each.zfill(8) for each in texts]
    sizes = {len(each) for each in texts}
    return 7 in sizes and sizes <= {7, 8} and digits_format(padded) in DIGIT_FORMATS[3:]


def _is(text: str, form: str) -> bool:
    if len(text) != _LENGTHS.get(form, 8) or not (text.isascii() and text.isdecimal()):
        return False
    try:
        return 2000 <= datetime.strptime(text, form).replace(tzinfo=UTC).year <= 2100
    except ValueError:
        return False
