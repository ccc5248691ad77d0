"""Which column says when a transaction was made, and how."""

import re
from typing import Any

import pyarrow as pa

from riskstream.workbench.mapping.advice import SHEET_START, has_lost_zeros
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.declared import KNOWN_AT, Clock
from riskstream.workbench.mapping.proposal.clocks import clocks
from riskstream.workbench.mapping.proposal.draft import Draft
from riskstream.workbench.mapping.proposal.split_times import take_parts, with_time_of_day
from riskstream.workbench.mapping.proposal.writings import is_whole_numbers

TIMES = (
    r"occurred|time|date|datum|zeit|when|wertstellung|^at$|step|created|buchungstag"
    r"|(^|[_. -])ts\b"
)
_OF_TRANSACTIONS = r"trans|(^|[^a-z])(tx|trx|txn)|occurred|buchung|booking|purchase|payment|kauf"
_OF_OTHERS = (
    r"since|birth|dob|geb(oren|urt)|expir|ablauf|valid|sign|regist|open|report|known|gemeldet"
    r"|updat|modif|chargeback|settle|load|insert|export|last|first|customer|kunde|account|card"
)
_STEP_UNITS = {"h": 3.6e6, "s": 1e3, "min": 6e4, "d": 8.64e7}
_LONG_MS = 3 * 365 * 8.64e7
"""A count from its first to its last step is of no more."""


def propose_time(draft: Draft) -> None:
    """The field occurred_at. Several columns of times are asked."""
    named = sorted((each for each in draft.left if re.search(TIMES, each.name.lower())), key=_rank)
    found = {each.name: (each, how) for each in named if (how := clocks(each, draft.latest_ms))}
    is_named = bool(found)
    if not found:
        others = [each for each in draft.left if each not in named and _may_be_times(each)]
        found = {
            each.name: (each, how) for each in others if (how := clocks(each, draft.latest_ms))
        }
    if not found:
        if not take_parts(draft):
            _take_steps(draft, named)
        return
    exact = found.get("occurred_at")
    columns = [exact[0]] if exact else [each for each, _ in found.values()]
    each = draft.chosen(
        "several columns hold times: which says when a transaction was made?",
        columns,
        "occurred_at",
    )
    doubts = [] if len(columns) == 1 else [f"one of {', '.join(one.name for one in columns)}"]
    if _rank(each) > 2 and is_named:
        doubts.append("by its name, of something else")
    _take(draft, each, found[each.name][1], doubts)


def _rank(seen: Seen) -> int:
    """How likely a name is that of the time of a transaction; 0 is the contract's."""
    name = seen.name.lower()
    if name == "occurred_at":
        return 0
    if re.search(_OF_OTHERS, name):
        return 3
    return 1 if re.search(_OF_TRANSACTIONS, name) else 2


def _may_be_times(seen: Seen) -> bool:
    """Whether a column without a name of times may hold some: no id is one."""
    kind = seen.column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return True
    is_written = seen.is_text and any(re.search(r"\d[-/.:]\d", each) for each in seen.words)
    return is_written or not seen.is_unique


def _take(draft: Draft, each: Seen, found: list[Clock], doubts: list[str]) -> None:
    clock = found[0]
    if len(found) > 1:
        formats = [one.format or one.unit for one in found]
        chosen = draft.ask(
            f"{each.name} reads in several ways, like {each.examples}: which is right?", formats
        )
        clock = found[formats.index(chosen)]
        doubts.append(f"or {' or '.join(one for one in formats if one != chosen)}")
    if clock.start_ms:
        doubts.append("days of a spreadsheet")
    how = clock.format or (f"numbers in {clock.unit}" if clock.unit else "times as they are, UTC")
    why = "; ".join([*doubts, f"{how}; like {each.examples}"])
    draft.take(each, "occurred_at", _value(each, clock), why, unsure=bool(doubts))
    with_time_of_day(draft, each, clock)


def _value(seen: Seen, clock: Clock) -> Any:
    """A column of times as a mapping has it."""
    if clock.format:
        return {"column": seen.name, "format": clock.format}
    if clock.start_ms:
        return {"column": seen.name, "unit": clock.unit, "start": SHEET_START}
    return {"column": seen.name, "unit": clock.unit} if clock.unit else seen.name


def propose_known_at(draft: Draft) -> None:
    """When a label became known, where a column has the contract's name for it."""
    for each in draft.left:
        if each.name in (KNOWN_AT, "known_at") and draft.label:
            if found := clocks(each, draft.latest_ms):
                draft.label["known_at"] = _value(each, found[0])
                draft.whys["known_at"] = f"by its name; like {each.examples}"
                del draft.label["delay_days"]
                draft.leave(each)
            return


def _take_steps(draft: Draft, named: list[Seen]) -> None:
    """A count of steps from an unknown start."""
    step = next((each for each in named if is_whole_numbers(each)), None)
    if step is None:
        return
    values = [int(float(each)) for each in step.counts if re.fullmatch(r"\d{1,12}(\.0)?", each)]
    if len(values) < step.different:
        return
    span = max(values) - min(values)
    is_count = min(values) <= max(span, 1) and span * _STEP_UNITS["s"] <= _LONG_MS
    if not is_count or has_lost_zeros(list(step.counts)):
        return
    units = [unit for unit, ms in _STEP_UNITS.items() if span * ms <= _LONG_MS]
    unit = draft.ask(f"{step.name} is a count, like {step.examples}: of what?", units)
    value = {"column": step.name, "unit": unit, "start": "2020-01-01"}
    why = f"a count, like {step.examples}: of {unit}? And from which day on?"
    draft.take(step, "occurred_at", value, why, unsure=True)
