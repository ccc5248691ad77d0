"""Figures with their intervals, as commands print them."""

from collections.abc import Callable
from typing import Any

import click

from riskstream.runtime.words import count_of
from riskstream.workbench.checks.intervals import RESAMPLES
from riskstream.workbench.checks.scored import left_out_words


def resamples_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--resamples N."""
    return click.option(
        "--resamples",
        type=click.IntRange(100, 100_000),
        default=RESAMPLES,
        show_default=True,
        help="resamples of the customers that the intervals are computed from",
    )(function)


def echo_figures(figures: dict[str, Any]) -> None:
    """One line a figure with its 95 % interval, one a day, one a decision, one a note."""
    for name, value in figures.items():
        is_figure = value is None or isinstance(value, int | float)
        if is_figure and not name.endswith("_interval"):
            found = between(figures.get(f"{name}_interval"))
            click.echo(f"  {name:24} {number(value):>14}  {found}".rstrip())
    click.echo(
        f"  {'day':12}{'rows':>9}{'frauds':>8}{'alerts':>8}  {'precision':24}{'recall':24}".rstrip()
    )
    for day in figures["days"]:
        shares = "".join(
            f"{number(day[name], 3)}  {between(day[f'{name}_interval'], 3)}".ljust(24)
            for name in ("precision", "recall")
        )
        counts = f"{day['rows']:>9,}{day['frauds']:>8,}{day['alerts']:>8,}"
        click.echo(f"  {day['day']:12}{counts}  {shares}".rstrip())
    for each in figures["by_decision"]:
        shown = f"{number(each['precision'], 3)}  {between(each['precision_interval'], 3)}"
        click.echo(
            f"  {each['decision']:12}{each['rows']:>9,}{each['frauds']:>8,}  precision "
            f"{shown.rstrip()}; {count_of(each['genuine'], 'genuine transaction')} of "
            f"{count_of(each['genuine_customers'], 'customer')} by mistake"
        )
    for note in figures["notes"]:
        click.echo(note)


def echo_left_out(figures: dict[str, Any]) -> None:
    """What was left out, by reason: the last line of a command."""
    click.echo(f"left out: {left_out_words(figures['left_out']) or 'nothing'}")


def number(value: float | None, digits: int = 4) -> str:
    """Whole numbers in groups, shares with digits; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def between(interval: list[float] | None, digits: int = 4) -> str:
    if interval is None:
        return ""
    return f"{number(interval[0], digits)} to {number(interval[1], digits)}"
