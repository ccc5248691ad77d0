"""What to say where a file lacks what each transaction has."""

import re
from pathlib import Path

from riskstream.workbench.files.opened import head_of
from riskstream.workbench.files.rows import named
from riskstream.workbench.mapping.advice import has_lost_zeros
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal import clocks, writings
from riskstream.workbench.mapping.proposal.amounts import AMOUNTS
from riskstream.workbench.mapping.proposal.draft import Draft
from riskstream.workbench.mapping.proposal.split_times import time_format
from riskstream.workbench.mapping.proposal.times import TIMES


def lacking(draft: Draft) -> str:
    """Which of the amount and the time no column looks like, and what does not fit the nearest one;
    empty where nothing is lacking.
    """
    names = [name for name in ("amount_minor", "occurred_at") if name not in draft.transaction]
    if not names:
        return ""
    misfits = [said for name in names if (said := _misfit(draft, name))]
    return "; ".join([f"no column of it looks like {' or '.join(names)}", *misfits])


def what_to_do(draft: Draft, names: list[str], sheets: tuple[str, ...]) -> str:
    """How a person goes on."""
    do = f"write the mapping yourself (docs/data.md); its columns are {named(names)}"
    if any(re.fullmatch(r"-?\d+([.,:-]\d+)*([ T].*)?", each) for each in names):
        do += "; if its first line is a row, `file: {columns: [NAME, ...]}` says the names"
    if draft.label:
        do += "; a file of labels alone takes a section `label`"
    if len(sheets) > 1:
        do += f"; its sheets are {', '.join(sheets)}, of which `file: {{sheet: NAME}}` says one"
    return do


def is_in_one_object(path: Path) -> str:
    """What to do where a file is one JSON object that holds a list of rows; else empty."""
    found = re.match(rb'\s*\{\s*"([A-Za-z_]\w*)"\s*:\s*\[', head_of(path))
    return f"write an object a line (`jq -c '.{found[1].decode()}[]'` does so)" if found else ""


def _misfit(draft: Draft, name: str) -> str:
    """A value of the nearest column that does not fit; empty where no column is near."""
    pattern = AMOUNTS if name == "amount_minor" else TIMES
    named = [each for each in draft.left if re.search(pattern, each.name.lower()) and each.filled]
    named = [each for each in named if not each.is_nested]
    tried = [(each, *_tried(draft, each, name)) for each in named]
    if not tried:
        return ""
    seen, fit, value, why = max(tried, key=lambda each: each[1])
    among = " among others" if fit else ""
    return f"{seen.name} has {value!r}{among}, {why}" if why else ""


def _tried(draft: Draft, seen: Seen, name: str) -> tuple[int, str, str]:
    """(how many values fit, one that does not, why)."""
    if name == "amount_minor":
        number = writings.nearest(seen)
        return number.fit, number.misfit, number.why
    if time_format(seen):
        return 0, seen.words[0], "a time of day without a date"
    if has_lost_zeros(list(seen.counts)):
        return 0, seen.words[0], "dates that lost their first zero: export the column as text"
    time = clocks.nearest(seen, draft.latest_ms)
    # where some values fit, another unit is no advice: it would misread these
    return time.fit, time.misfit, time.why.partition(":")[0] if time.fit else time.why
