"""The docs page of the scorer's bench: one table, one chart."""

import datetime
from pathlib import Path
from typing import Any

_BAR, _LEFT, _WIDE = 26, 260, 860


def write_page(path: Path, result: dict[str, Any], cpu: dict[str, float]) -> None:
    """Markdown at `path`, the chart beside it as SVG; `cpu` is us an event by contender."""
    chart = path.with_suffix(".svg")
    chart.write_text(_chart(cpu))
    lines = [
        "| what | ours | theirs | ratio or difference | goal | met | spread |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["rows"]:
        met = "" if row["ok"] is None else "yes" if row["ok"] else "**no**"
        cells = [
            row["name"],
            f"{row['ours']:,.5g} {row['unit']}",
            "" if row["theirs"] is None else f"{row['theirs']:,.5g}",
            "" if row["ratio"] is None else f"{row['ratio']:,.4g}",
            "" if row["goal"] is None else f"{row['goal']:,g}",
            met,
            row["spread"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    skipped = "".join(f"\nSkipped: {each['name']}: {each['why']}\n" for each in result["skipped"])
    path.write_text(
        '# The scorer beside its peers\n\n<!-- Written by `make bench-scorer ARGS="--page '
        'docs/benchmark-scorer.md"`. -->\n'
        f"Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {result['machine']}. "
        f"{result['load']}.\n"
        "Everyone reads, windows, scores by the same 100 trees and writes the same "
        "records; scores are equal within 1e-5,\n"
        "else a contender does not count. CPU is user and system time of the contender's "
        "process alone, pinned to a core of its\n"
        "own, over the middle of a drained backlog; medians over the rounds. How each peer "
        "is written: `loadtests/peers/`.\n\n"
        + "\n".join(lines)
        + f"\n{skipped}\n![CPU a scored event]({chart.name})\n"
    )


def _chart(cpu: dict[str, float]) -> str:
    """Horizontal bars on a linear axis."""
    most = max(cpu.values())
    bars = []
    for at, (name, value) in enumerate(sorted(cpu.items(), key=lambda each: each[1])):
        y = 46 + at * _BAR
        wide = max(value / most * (_WIDE - _LEFT - 90), 2)
        colour = "#0b6e4f" if name.startswith("lane") else "#8a8f98"
        bars.append(
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{name}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{wide:.1f}" height="18" fill="{colour}"/>'
            f'<text x="{_LEFT + wide + 6:.1f}" y="{y + 13}">{value:.1f} us</text>'
        )
    high = 60 + len(cpu) * _BAR
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" '
        'font-family="sans-serif" font-size="13">'
        f'<rect width="{_WIDE}" height="{high}" fill="white"/>'
        '<text x="12" y="24" font-size="15">CPU a scored event, microseconds (less is '
        f"better)</text>{''.join(bars)}</svg>\n"
    )
