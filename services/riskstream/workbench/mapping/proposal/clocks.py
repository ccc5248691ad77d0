"""How a column's times are written."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riskstream.workbench.mapping.advice import DIGIT_FORMATS, SHEET_DAYS, SHEET_START_MS
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.declared import UNITS_MS, Clock, Source
from riskstream.workbench.mapping.findings import Findings, noted
from riskstream.workbench.mapping.instants import instants

_DAYS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%m-%d-%y",
    "%y/%m/%d",
    "%y-%m-%d",
    "%y.%m.%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
)
_TIMES = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f", "")
_HALF_DAYS = tuple(f"%Y-%m-%d{time}" for time in _TIMES if "%p" in time)
"""Times of ISO 8601 but for their hours."""
FORMATS = (
    *(f"{day}{time}" for day in _DAYS for time in _TIMES),
    *_HALF_DAYS,
    *DIGIT_FORMATS,
)
_SHEET = Clock(unit="d", start_ms=SHEET_START_MS)
_MOSTLY = 0.98
"""Share of a column's values that must be read for it to be taken for what it looks like."""
_PROBE = 50
"""Different values that are tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """`fit`: how many values are times as the clock says, `times` int64[fit] in ms; of another one,
    `misfit`, `why` not.
    """

    clock: Clock
    fit: int
    times: NDArray[np.int64]
    misfit: str
    why: str


def clocks(seen: Seen, latest_ms: int) -> list[Clock]:
    """Ways to read the column as plausible times, the likelier first: the one by which they lie
    closest together. None where it holds none.
    """
    out: list[Tried] = []
    if seen.is_nested:
        return []
    for clock in _possible(seen):
        if not _tried(seen.column.unique()[:_PROBE], clock, latest_ms).fit:
            continue
        if not seen.filled:
            continue
        tried = _tried(seen.column, clock, latest_ms)
        if tried.fit >= _MOSTLY * seen.filled:
            if clock.format == "" and (clock.unit == "" or not out):
                return [clock]
            if not any(np.array_equal(tried.times, each.times) for each in out):
                out.append(tried)
    out.sort(key=lambda each: int(np.ptp(each.times)))
    return [each.clock for each in out]


def nearest(seen: Seen, latest_ms: int) -> Tried:
    """The way by which most of the first different values are times."""
    probe = seen.column.drop_null().unique()[:_PROBE]
    tried = [_tried(probe, clock, latest_ms) for clock in _possible(seen)]
    return max([_tried(probe, Clock(), latest_ms), *tried], key=lambda each: each.fit)


def _possible(seen: Seen) -> list[Clock]:
    kind = seen.column.type
    tried = [Clock()] if not pa.types.is_floating(kind) else []
    tried += [Clock(unit=unit) for unit in UNITS_MS if unit not in ("min", "h", "d")]
    tried += [_SHEET] if _are_sheet_days(seen) else []
    if seen.is_text:
        tried += [Clock(format=each) for each in FORMATS]
    elif pa.types.is_integer(kind):
        tried += [Clock(format=each) for each in DIGIT_FORMATS]
    return tried


def _are_sheet_days(seen: Seen) -> bool:
    """Whether all values are numbers that are days of a spreadsheet."""
    try:
        return all(SHEET_DAYS[0] <= float(each) <= SHEET_DAYS[1] for each in seen.counts)
    except ValueError:
        return False


def _tried(column: pa.Array, clock: Clock, latest_ms: int) -> Tried:
    findings = Findings(len(column))
    found = instants(column, Source(clock=clock), partial(noted, findings, "", column), latest_ms)
    missing = np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), np.bool_)
    is_fit = findings.is_good & ~missing
    first = next((found for _, found in findings.in_order()), None)
    return Tried(
        clock=clock,
        fit=int(is_fit.sum()),
        times=found.values[is_fit],
        misfit=first.value if first else "",
        why=first.why.removeprefix(": ") if first else "",
    )
