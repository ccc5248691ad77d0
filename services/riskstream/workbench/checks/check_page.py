"""What a file holds as lines of text, and as one self-contained HTML page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from riskstream.domain.risk.money import shown
from riskstream.runtime.durations import DAY_MS
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.page import share, template
from riskstream.workbench.mapping.declared import Mapping, Source
from riskstream.workbench.mapping.looked import EDGES_MINOR, Looked, Sample
from riskstream.workbench.mapping.survey import LeftOut

_LEFT, _WIDE, _BOTTOM, _HIGH = 66, 384, 290, 270
_EDGE, _LETTER = 462, 10
"""The right edge of a chart, and how wide a letter is on a narrow screen."""
_MOST_BARS, _MOST_WORDS, _MOST_NAMES = 120, 12, 20


def facts_of(found: Looked, currency: str) -> list[tuple[str, str]]:
    """(name, value) of everything that was looked at, for a table."""
    survey = found.survey
    rows = survey.good + survey.left_out.total
    out = [
        ("rows", f"{rows:,}"),
        ("fit", f"{survey.good:,}"),
        ("left out", f"{survey.left_out.total:,}"),
        *_amount_fact(found, currency),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HowRead:
    """How a file was read: by which mapping, columns of it that no field is from, and the currency
    of the base amounts.
    """

    mapping: Mapping
    unused: list[str]
    currency: str


def page(title: str, found: Looked, how: HowRead) -> str:
    """HTML; the same file gives the same text."""
    survey, currency = found.survey, how.currency
    facts = facts_of(found, currency)
    if how.unused:
        facts.append(("columns not used", listed(how.unused)))
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
        left_out=_left_out(survey.left_out, currency),
        samples=found.samples,
        sampled=_sampled(found.samples, how),
        facts=facts,
    )


def _about(count: int, is_exact: bool) -> str:
    """A number; one of a sample in three digits."""
    if is_exact:
        return f"{count:,}"
    return f"about {round(count, 3 - len(str(count))):,}"


def listed(names: list[str]) -> str:
    """The first names of many."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest:,} more" if rest > 0 else "")


def _left_out(left_out: LeftOut, currency: str) -> list[tuple[str, str, str, str]]:
    """(rows, amount, why, for example) of each reason."""
    out = []
    for why, count in left_out.counts.most_common():
        path, place, value = left_out.firsts[why]
        is_known = left_out.without_amount[why] < count
        amount = shown(left_out.amounts_minor[why], currency) if is_known else "not known"
        example = f"{path.name}, line {place:,}" + (f": {value}" if value else "")
        out.append((f"{count:,}", amount, why, example))
    return out


def _amount_fact(found: Looked, currency: str) -> list[tuple[str, str]]:
    """The money of the rows that are left out, where there are some."""
    told = found.survey.left_out.figures(found.survey.good, found.total_minor)
    if not told["rows"]:
        return []
    unknown = told["rows_without_amount"]
    rest = f"; not known of {count_of(unknown, 'row')}" if unknown else ""
    amount = f"{shown(told['amount_minor'], currency)} {currency}"
    return [("amount left out", f"{amount} ({share(told['amount_share'])}){rest}")]


def _sampled(samples: list[Sample], how: HowRead) -> list[tuple[str, list[tuple[str, str]]]]:
    """(field, (as read, as written) of each sample) of every field that the mapping names."""
    out = []
    for name, source in how.mapping.fields.items():
        if all(name in each.read for each in samples):
            cells = [
                (_as_read(name, each, how.currency), _as_written(source, each)) for each in samples
            ]
            out.append((name, cells))
    if (label := how.mapping.is_fraud) is not None:
        words = {True: "fraud", False: "genuine", None: "no label"}
        said = [(words[each.is_fraud], _as_written(label, each)) for each in samples]
        out.append(("label", said))
    return out


def _as_read(name: str, sample: Sample, currency: str) -> str:
    value = sample.read[name]
    if value is None:
        return "-"
    if name == "occurred_at":
        return f"{_moment(value)} UTC"
    if name in ("amount_minor", "base_amount_minor"):
        code = currency if name.startswith("base") else sample.read.get("currency") or currency
        return f"{shown(value, code)} {code}"
    return str(value)


def _as_written(source: Source, sample: Sample) -> str:
    """The columns of the field; "" where it is from none."""
    return " ".join(sample.written[name] for name in source.columns)


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
