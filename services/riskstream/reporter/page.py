"""The report as one self-contained HTML page: no script, no link, charts as inline SVG."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from riskstream.domain.risk.money import digits_of, shown
from riskstream.reporter.sums import TOP_CUSTOMERS

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 880, 200, 70, 28, 10
LETTER = 9.5
"""How wide a letter is on a narrow screen."""
MAX_BARS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar in SVG units; `title` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A bar chart: bars, axis labels as (position, text)."""

    title: str
    kind: str
    left: float
    bars: list[Bar]
    y_labels: list[tuple[float, str]]
    x_labels: list[tuple[float, str]]


def page(report: dict[str, Any]) -> str:
    """HTML of a report; the same report gives the same text."""
    windows = report["windows"][-MAX_BARS:]
    is_daily, currency = report["grain"] == "DAILY", report["base_currency"]
    charts = [
        _chart("Transactions", "volume", windows, "transactions", is_daily),
        _chart("Alerts", "alerts", windows, "alerts", is_daily),
        _chart(
            f"Amount of alerts, {currency}",
            "amount",
            windows,
            "alert_amount_minor",
            is_daily,
            10 ** digits_of(currency),
        ),
    ]
    return _template().render(
        r=report,
        charts=charts,
        shown=len(windows),
        most=TOP_CUSTOMERS,
        when=when,
        money=partial(shown, currency=currency),
        count=count,
        share=share,
        w=WIDTH,
        h=HEIGHT,
    )


def when(ms: int) -> str:
    """An instant for people, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def count(value: int) -> str:
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """A share in percent, or a dash."""
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _chart(
    title: str, kind: str, windows: list[dict[str, Any]], name: str, is_daily: bool, unit: int = 1
) -> Chart:
    values = [window[name] / unit for window in windows]
    top = _nice(max(values, default=0))
    marks = [(part, f"{top * part:,.15g}") for part in (0, 0.5, 1)]
    left = max(LEFT, LETTER * max(len(text) for _, text in marks) + 10)
    step = (WIDTH - left - 10) / max(len(values), 1)
    height = HEIGHT - TOP - BOTTOM
    shape = "%b %d" if is_daily else "%b %d %H:00"
    labels = [
        datetime.fromtimestamp(window["start_at"] / 1000, UTC).strftime(shape) for window in windows
    ]
    bars = [
        Bar(
            x=round(left + index * step + step * 0.1, 2),
            y=round(TOP + height * (1 - value / top), 2),
            width=round(step * 0.8, 2),
            height=round(height * value / top, 2),
            title=f"{labels[index]}: {value:,.0f}",
        )
        for index, value in enumerate(values)
    ]
    every = max(1, -(-len(values) // 8))
    return Chart(
        title=title,
        kind=kind,
        left=left,
        bars=bars,
        y_labels=[(round(TOP + height * (1 - part), 2), text) for part, text in marks],
        x_labels=[
            (round(left + (index + 0.5) * step, 2), labels[index])
            for index in range(0, len(values), every)
        ],
    )


def _nice(top: float) -> float:
    """The next of 1, 2, 4, 5, 10 times a power of ten."""
    if top <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(top))) - 1)
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= top)


@cache
def _template() -> jinja2.Template:
    text = Path(__file__).with_name("page.html").read_text()
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    ).from_string(text)
