"""What a file holds as lines of text, and as one self-contained HTML page."""

from datetime import UTC, datetime
from typing import Any

from riskstream.domain.risk.money import shown
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.page import template
from riskstream.workbench.mapping.looked import EDGES_MINOR, Looked
from riskstream.workbench.mapping.survey import LeftOut

_LEFT, _WIDE, _BOTTOM, _HIGH = 66, 384, 290, 270
_EDGE, _LETTER = 462, 10
"""The right edge of a chart, and how wide a letter is on a narrow screen."""
_MOST_BARS, _MOST_WORDS = 120, 12


def facts_of(found: Looked, currency: str) -> list[tuple[str, str]]:
    """(name, value) of everything that was looked at, for a table."""
    survey = found.survey
    rows = survey.good + survey.left_out.total
    out = [
        ("rows", f"{rows:,}"),
        ("fit", f"{survey.good:,}"),
        ("left out", f"{survey.left_out.total:,}"),
        ("time", f"{_moment(found.first_ms)} to {_moment(found.last_ms)} UTC"),
        ("days", f"{len(found.days):,} with rows"),
        ("earlier than a row above", f"{found.goes_back:,}"),
        ("repeated customer and transaction", f"{found.repeats():,}"),
        ("least amount", f"{shown(found.least_minor, currency)} {currency}"),
        ("mean amount", f"{shown(found.total_minor // max(survey.good, 1), currency)} {currency}"),
        ("most amount", f"{shown(found.most_minor, currency)} {currency}"),
    ]
    out += [(f"different {name}", _about(*count)) for name, count in found.ids().items()]
    if survey.labels or survey.unlabelled:
        share = 100 * found.frauds / max(survey.labels, 1)
        out += [
            ("labels", f"{survey.labels:,}, {survey.unlabelled:,} rows without"),
            ("frauds", f"{found.frauds:,} ({share:.2f} % of labels)"),
            ("amount of frauds", f"{shown(found.fraud_minor, currency)} {currency}"),
        ]
    else:
        out.append(("labels", "none: the mapping has no section label"))
    for name, counts in found.words.items():
        most = [f"{word} {count:,}" for word, count in counts.most_common(_MOST_WORDS)]
        left = len(counts) - len(most)
        out.append((name, ", ".join(most) + (f" and {left:,} more" if left else "")))
    return out


def page(title: str, found: Looked, currency: str) -> str:
    """HTML; the same file gives the same text."""
    survey = found.survey
    return template("check.html").render(
        title=title,
        said=f"{count_of(survey.good, 'row')} of {survey.good + survey.left_out.total:,} fit. "
        f"{_moment(found.first_ms)} to {_moment(found.last_ms)} UTC. Nothing was sent.",
        heads=[
            (f"{survey.good:,}", "rows that fit"),
            (f"{survey.left_out.total:,}", "rows left out"),
            (_about(*found.ids().get("customer_id", (0, True))), "customers"),
            (f"{found.frauds:,}", "frauds"),
            (f"{survey.unlabelled:,}", "rows without a label"),
            (f"{found.repeats():,}", "repeated rows"),
        ],
        charts=[_days(found), _amounts(found, currency)],
        left_out=_left_out(survey.left_out),
        facts=facts_of(found, currency),
    )


def _about(count: int, is_exact: bool) -> str:
    """A number; one of a sample in three digits."""
    if is_exact:
        return f"{count:,}"
    return f"about {round(count, 3 - len(str(count))):,}"


def _left_out(left_out: LeftOut) -> list[tuple[str, str, str]]:
    out = []
    for why, count in left_out.counts.most_common():
        path, place, value = left_out.firsts[why]
        out.append(
            (f"{count:,}", why, f"{path.name}, line {place:,}" + (f": {value}" if value else ""))
        )
    return out


def _days(found: Looked) -> dict[str, Any]:
    """Bars of rows by day, several days a bar where there are many."""
    if not found.days:
        return _chart("Rows by day", "day", [], [])
    first, last = min(found.days), max(found.days)
    step = -(-(last - first + 1) // _MOST_BARS)
    starts = list(range(first, last + 1, step))
    counts = [sum(found.days[day] for day in range(at, at + step)) for at in starts]
    words = [f"{_day(at)}: {count:,} rows" for at, count in zip(starts, counts, strict=True)]
    title = "Rows by day" if step == 1 else f"Rows by {step} days"
    shown_at = {0, len(starts) // 2, len(starts) - 1}
    labels = [_day(at) if n in shown_at else "" for n, at in enumerate(starts)]
    return _chart(title, "day", list(zip(counts, words, strict=True)), labels)


def _amounts(found: Looked, currency: str) -> dict[str, Any]:
    used = [at for at, count in enumerate(found.amounts.tolist()) if count]
    if not used:
        return _chart("Rows by amount", "amount", [], [])
    span = range(used[0], used[-1] + 1)
    bars = [
        (int(found.amounts[at]), f"from {_edge(at, currency)}: {found.amounts[at]:,} rows")
        for at in span
    ]
    return _chart("Rows by amount", f"{currency}, from", bars, [_edge(at, currency) for at in span])


def _edge(at: int, currency: str) -> str:
    return "0" if at == 0 else shown(int(EDGES_MINOR[at]), currency)


def _chart(title: str, x: str, bars: list[tuple[int, str]], labels: list[str]) -> dict[str, Any]:
    most = max((count for count, _ in bars), default=0) or 1
    wide = _WIDE / max(len(bars), 1)
    return {
        "title": title,
        "x": x,
        "y_labels": [f"{most * part // 5:,}" for part in range(6)],
        "x_labels": [
            _placed(_LEFT + wide * (at + 0.5), label) for at, label in enumerate(labels) if label
        ],
        "bars": [
            {
                "kind": "bar",
                "said": said,
                "x": f"{_LEFT + wide * at:.1f}",
                "wide": f"{max(wide - 1, 0.5):.1f}",
                "high": f"{_HIGH * count / most:.1f}",
                "y": f"{_BOTTOM - _HIGH * count / most:.1f}",
            }
            for at, (count, said) in enumerate(bars)
        ],
    }


def _placed(x: float, label: str) -> tuple[str, str, str]:
    """(x, label, its anchor): in the middle below its bar, or at the edge where it would be cut."""
    half = _LETTER * len(label) / 2
    if x + half > _EDGE:
        return str(_EDGE), label, "end"
    return (f"{x:.1f}", label, "middle") if x > half else ("0", label, "start")


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
