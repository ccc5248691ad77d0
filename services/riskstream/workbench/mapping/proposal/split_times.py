"""Times in several columns: a date beside a time of day, or a year, a month and a day."""

import re

import pyarrow as pa

from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.declared import Clock
from riskstream.workbench.mapping.proposal.draft import Draft

_NAMED = r"time|zeit|uhr|hour|heure|hora"
_SHAPES = (
    (r"\d{1,2}:\d\d:\d\d", "%H:%M:%S"),
    (r"\d{1,2}:\d\d", "%H:%M"),
    (r"\d{1,2}:\d\d:\d\d\.\d{1,6}", "%H:%M:%S.%f"),
    (r"\d{1,2}:\d\d:\d\d ?[AaPp][Mm]", "%I:%M:%S %p"),
    (r"\d{1,2}:\d\d ?[AaPp][Mm]", "%I:%M %p"),
)
_DIGITS = ((r"\d{6}", "%H%M%S"), (r"\d{4}", "%H%M"))
"""Shapes that are times where the name says so."""


def with_time_of_day(draft: Draft, date: Seen, clock: Clock) -> None:
    """Join the time of day from another column, where `date`, which was taken, has none."""
    day = _day_format(date, clock)
    if not day:
        return
    found = [(each, form) for each in draft.left if (form := time_format(each))]
    found.sort(key=lambda each: not re.search(_NAMED, each[0].name.lower()))
    if not found:
        return
    time, form = found[0]
    draft.transaction["occurred_at"] = {
        "columns": [date.name, time.name],
        "format": f"{day} {form}",
    }
    draft.whys["occurred_at"] += f"; times of day like {time.examples}"
    draft.leave(time)


def _day_format(date: Seen, clock: Clock) -> str:
    """The format of dates; empty where they have a time of day."""
    if clock.format:
        return "" if re.search("%[HI]", clock.format) else clock.format
    if clock.unit:
        return ""
    if pa.types.is_date(date.column.type):
        return "%Y-%m-%d"
    shapes = {r"\d{4}-\d\d-\d\d": "%Y-%m-%d", r"\d{8}": "%Y%m%d"}
    return next((form for shape, form in shapes.items() if _all_are(date, shape)), "")


def time_format(seen: Seen) -> str:
    """The format of times of day; empty where the column holds none."""
    if pa.types.is_time(seen.column.type) and seen.column.type.unit != "ns":
        return "%H:%M:%S" if seen.column.type.unit == "s" else "%H:%M:%S.%f"
    if not seen.is_text:
        return ""
    shapes = (*_SHAPES, *(_DIGITS if re.search(_NAMED, seen.name.lower()) else ()))
    return next((form for shape, form in shapes if _all_are(seen, shape)), "")


def _all_are(seen: Seen, shape: str) -> bool:
    fit = sum(count for word, count in seen.counts.items() if re.fullmatch(shape, word.strip()))
    return bool(seen.filled) and fit >= 0.98 * seen.filled


def take_parts(draft: Draft) -> bool:
    """Take columns called year, month and day, with one of the time, for the instant."""
    by_name = {each.name.lower(): each for each in draft.left}
    found = [by_name[name] for name in ("year", "month", "day", "time") if name in by_name]
    if len(found) < 4 or not (form := time_format(found[3])):
        return False
    draft.put(
        "occurred_at",
        {"columns": [each.name for each in found], "format": f"%Y %m %d {form}"},
        f"the parts of a date; times like {found[3].examples}",
    )
    for each in found:
        draft.leave(each)
    return True
