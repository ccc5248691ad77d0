"""Whether traces are whole: every span hangs on one that exists, and the way from the report leads
back to the caller.
"""

from collections.abc import Iterable

from loadtests.collector import Seen
from riskstream.platform.telemetry.context import TraceContext
from riskstream.platform.telemetry.span import MAX_LINKS

WAY = (
    ("riskstream-reporter", "process alerts.v1"),
    ("riskstream-tracker", "process scores.v1"),
    ("riskstream-scorer", "process transactions.v1"),
    ("riskstream-gateway", "send transactions.v1"),
    ("riskstream-gateway", "POST /v1/decisions"),
)
"""From the report back to the caller, whose own span is not ours to record."""


def orphans(spans: Iterable[Seen], callers: Iterable[TraceContext]) -> list[Seen]:
    """Spans whose parent no one recorded, in the traces of these callers."""
    known = {(each.trace_id, each.span_id) for each in callers}
    mine = [span for span in spans if span.trace_id in {trace for trace, _ in known}]
    known |= {(span.trace_id, span.span_id) for span in mine}
    return [span for span in mine if (span.trace_id, span.parent) not in known]


def breaks(
    spans: Iterable[Seen], caller: TraceContext, way: tuple[tuple[str, str], ...] = WAY
) -> list[str]:
    """What is wrong with the way to one caller; empty where it is whole. Links to batches are
    followed both ways.

    A batch with as many links as a span may have need not name the record.
    """
    spans = list(spans)
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    leaves = [
        span
        for span in spans
        if span.trace_id == caller.trace_id and (span.service, span.name) == way[0]
    ]
    if not leaves:
        return [f"no {way[0][1]} of {way[0][0]}"]
    found: list[str] = []
    for leaf in leaves:
        at: Seen | None = leaf
        for expected in way:
            if at is None:
                found.append(f"nothing before {expected[1]} of {expected[0]}")
                break
            if (at.service, at.name) != expected:
                found.append(
                    f"{at.name} of {at.service} where {expected[1]} of {expected[0]} was due"
                )
                break
            if at.name.startswith("process "):
                batches = [by_id.get(link) for link in at.links]
                mine = (at.trace_id, at.span_id)
                if not any(
                    batch and (mine in batch.links or len(batch.links) == MAX_LINKS)
                    for batch in batches
                ):
                    found.append(f"{at.name} of {at.service} and its batch are not linked")
            last, at = at, by_id.get((at.trace_id, at.parent))
        else:
            if last.parent != caller.span_id:
                found.append("the first span does not hang on the caller's")
    return found
