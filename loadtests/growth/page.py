"""The docs page of the growth bench: a table and a chart for each curve."""

import datetime
import math
from pathlib import Path
from typing import Any

_WIDE, _HIGH, _LEFT, _BOTTOM, _TOP = 420, 200, 60, 40, 30


def write_page(path: Path, result: dict[str, Any]) -> None:
    """Markdown at `path`, all charts beside it in one SVG."""
    chart = path.with_suffix(".svg")
    chart.write_text(_charts(result["curves"]))
    parts = [
        "# What an event costs as work grows\n\n"
        '<!-- Written by `make bench-growth ARGS="--page docs/growth.md"`. -->\n'
        f"Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {result['machine']}. "
        "CPU is user and system time. A cost grows as the\n"
        "size to the power of the exponent: 0 is flat, 1 is linear. Most is what the exponent "
        "may be.\n\n"
        f"![Five charts of cost by size]({chart.name})\n"
    ]
    for curve in result["curves"]:
        parts.append(_table(curve))
    for each in result["skipped"]:
        parts.append(f"Skipped: {each['name']}: {each['why']}\n")
    path.write_text("\n".join(parts))


def _table(curve: dict[str, Any]) -> str:
    more = [name for name in curve["points"][0] if name not in ("at", "cost")]
    head = [curve["what"], curve["unit"], *more]
    lines = [f"| {' | '.join(head)} |", f"|{' --: |' * len(head)}"]
    for point in curve["points"]:
        cells = [f"{point['at']:,}", *(f"{point[name]:,.4g}" for name in ("cost", *more))]
        lines.append(f"| {' | '.join(cells)} |")
    met = "met" if curve["ok"] else "**missed**"
    said = f"Exponent {curve['exponent']:.2f}, at most {curve['most']:g}: {met}."
    return f"## By {curve['name']}\n\n{said}\n\n" + "\n".join(lines) + "\n"


def _charts(curves: list[dict[str, Any]]) -> str:
    parts = [_chart(curve, at * _HIGH) for at, curve in enumerate(curves)]
    high = _HIGH * len(curves)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="{_WIDE}" height="{high}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _chart(curve: dict[str, Any], top: int) -> str:
    """Cost from zero on a linear axis, sizes on a logarithmic one."""
    points = curve["points"]
    most = max(each["cost"] for each in points)
    logs = [math.log(each["at"]) for each in points]
    low, wide = logs[0], _WIDE - _LEFT - 40
    base = top + _HIGH - _BOTTOM
    places = [
        (
            _LEFT + (at - low) / (logs[-1] - low) * wide,
            base - each["cost"] / most * (_HIGH - _BOTTOM - _TOP),
        )
        for at, each in zip(logs, points, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0b6e4f"/>'
        f'<text x="{x:.1f}" y="{y - 7:.1f}" text-anchor="middle">{each["cost"]:.3g}</text>'
        f'<text x="{x:.1f}" y="{base + 14}" text-anchor="middle">{each["at"]:,}</text>'
        for (x, y), each in zip(places, points, strict=True)
    )
    return (
        f'<text x="12" y="{top + 16}" font-size="13">{curve["unit"]}, by {curve["what"]}</text>'
        f'<line x1="{_LEFT - 10}" y1="{base}" x2="{_WIDE - 20}" y2="{base}" stroke="#8a8f98"/>'
        f'<polyline points="{line}" fill="none" stroke="#0b6e4f" stroke-width="2"/>{dots}'
    )
