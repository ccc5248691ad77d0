"""An evaluation as one self-contained HTML page: no script, no link, charts as inline SVG."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from riskstream.domain.risk.money import shown
from riskstream.runtime.words import count_of
from riskstream.workbench.checks.intervals import FEW
from riskstream.workbench.checks.scored import left_out_words

Curves = dict[str, list[tuple[float, float]]]
"""Points of curves by name, as `curves` gives them."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 450, 20, 290
_MOST_MARKS = 62
"""Points that are marked one by one; of more a line is enough."""


def page(
    title: str,
    figures: dict[str, Any],
    curves: Curves,
    slices: list[dict[str, Any]] | None = None,
    facts: list[tuple[str, str]] | None = None,
    of_file: dict[str, Any] | None = None,
) -> str:
    """HTML of what `evaluate`, `curves`, `slices` and `facts` gave; the same figures give the same
    text. `of_file`: what was left out of the file that the rows are from, as LeftOut.figures says.
    """
    currency = figures["base_currency"]
    money = partial(shown, currency=currency)
    return template("evaluation.html").render(
        title=title,
        r=figures,
        figures=_heads(figures, money),
        charts=_charts(figures, curves),
        slices=slices or [],
        facts=facts or [],
        left_out=left_out_words(figures["left_out"]) if of_file is None else _in_short(of_file),
        of_file=of_file and _left_out_of_file(of_file, money),
        few=FEW,
        share=share,
        ratio=ratio,
        money=money,
        between=between,
    )


def _in_short(of_file: dict[str, Any]) -> str:
    """What was left out of a file, in a few words; "" where nothing was."""
    if not of_file["rows"]:
        return ""
    return (
        f"{of_file['rows']:,} of {count_of(of_file['of_rows'], 'row')} of the file "
        f"({share(of_file['rows'] / of_file['of_rows'])}), with their reasons below"
    )


def _left_out_of_file(of_file: dict[str, Any], money: Callable[[int], str]) -> dict[str, Any]:
    """What was left out of a file, in words: a sentence on its amount, and a line a reason."""
    unknown = of_file["rows_without_amount"]
    rest = f" The amount of {count_of(unknown, 'row')} is not known." if unknown else ""
    return {
        "amount": f"The amount that is left out is {money(of_file['amount_minor'])} of "
        f"{money(of_file['of_amount_minor'])} ({share(of_file['amount_share'])}).{rest}",
        "reasons": [
            (
                f"{each['rows']:,}",
                share(each["rows"] / of_file["of_rows"]),
                money(each["amount_minor"])
                if each["rows_without_amount"] < each["rows"]
                else "not known",
                each["why"],
            )
            for each in of_file["reasons"]
        ],
    }


def _heads(figures: dict[str, Any], money: Callable[[int], str]) -> list[tuple[str, str, str]]:
    """(value, its interval, name) of the figures that stand on top."""
    of = f", {figures['base_currency']}" if figures["base_currency"] else ""
    return [
        (say(figures[name]), between(figures, name, say), words)
        for name, say, words in (
            ("average_precision", ratio, "average precision"),
            ("average_precision_amount", ratio, "average precision of sorting by amount"),
            ("auc", ratio, "area under the ROC curve"),
            (
                "card_precision_100",
                ratio,
                "of the 100 riskiest customers each day, share that were fraud",
            ),
            ("calibration_error", small, "expected calibration error, without an interval"),
            ("brier", small, "Brier score"),
            ("precision", share, f"precision of {count_of(figures['alerts'], 'alert')}"),
            ("recall", share, "recall of the alerts"),
            ("saved_minor", money, f"amount of frauds alerted{of}"),
            ("lost_minor", money, f"amount of frauds missed{of}"),
            ("stopped_minor", money, f"amount of genuine ones alerted{of}"),
        )
    ]


def _charts(figures: dict[str, Any], curves: Curves) -> list[dict[str, Any]]:
    bins = [(each["mean_score"], each["fraud_rate"]) for each in figures["calibration"]]
    most = max((value for pair in bins for value in pair), default=1.0) or 1.0
    return [
        chart("Precision by recall", ("recall", "precision"), [("a", curves["precision_recall"])]),
        chart(
            "ROC",
            ("share of genuine ones alerted", "share of frauds alerted"),
            [("a", curves["roc"])],
            is_even=True,
        ),
        chart(
            "Calibration, ten equal parts",
            ("mean score", "share of frauds"),
            [("a", bins)],
            most,
            is_even=True,
        ),
        chart(
            "Recall (circles) and precision (squares, dashed) by day",
            ("day", "share"),
            _by_day(figures["days"]),
            days=figures["days"],
        ),
    ]


def facts(card: dict[str, Any]) -> list[tuple[str, str]]:
    """What model.json says of a model, for people."""
    metrics, trained = card["metrics"], card["trained_on"]
    first, last = (
        datetime.fromtimestamp(trained[name] / 1000, UTC).strftime("%Y-%m-%d")
        for name in ("first", "last")
    )
    out = [
        ("Feature set", f"{card['feature_set']}, {len(card['names'])} columns"),
        ("Trained on", f"{trained['rows']:,} transactions, {first} to {last}"),
        (
            "Trees",
            f"{metrics['trees']} by {card['booster']}, {metrics['onnx_bytes']:,} bytes of "
            "ONNX, which differs by at most"
            f" {metrics['onnx_difference']:.1e}",
        ),
        (
            "Reviewed from, blocked from",
            (f"{card['thresholds']['review']:.4f}, {card['thresholds']['block']:.4f}"),
        ),
        (
            "Calibration",
            (
                f"slope {metrics['calibration_slope']:.3f}, offset "
                f"{metrics['calibration_offset']:.3f}"
            ),
        ),
    ]
    if "stage2" in card:
        stage2 = card["stage2"]
        word = "on" if stage2["on"] else "off"
        out.append(
            (
                "Second stage",
                f"{stage2['variant']}, {word}: average precision "
                f"{stage2['average_precision_gain']:+.4f}, a gain in"
                f" {share(stage2['gains_in_share_of_resamples'])} of resamples; used for "
                f"{share(stage2['share_asked'])} of"
                f" transactions, scores from {stage2['low']:.4f} to {stage2['high']:.4f}",
            )
        )
    return out


def share(value: float | None) -> str:
    """A share in percent, or a dash."""
    return "-" if value is None else f"{100 * value:.1f} %"


def ratio(value: float | None) -> str:
    """A figure between 0 and 1, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def small(value: float | None) -> str:
    """A figure near 0, or a dash."""
    return "-" if value is None else f"{value:.4f}"


def between(figures: dict[str, Any], name: str, say: Callable[[Any], str]) -> str:
    """A figure's interval in words, "" where it has none."""
    found = figures.get(f"{name}_interval")
    return "" if found is None else f"{say(found[0])} to {say(found[1])}"


def chart(
    title: str,
    axes: tuple[str, str],
    lines: list[tuple[str, list[tuple[float, float]]]],
    most: float = 1.0,
    *,
    is_even: bool = False,
    days: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A line chart on axes from 0 to `most`, with a dashed diagonal or with days along x."""
    paths = []
    for kind, points in lines:
        places = [
            (
                f"{_LEFT + (_RIGHT - _LEFT) * a / most:.1f}",
                f"{_BOTTOM - (_BOTTOM - _TOP) * b / most:.1f}",
            )
            for a, b in points
        ]
        if places:
            path = "M" + " L".join(f"{x} {y}" for x, y in places)
            marks = places if len(places) <= _MOST_MARKS else []
            paths.append({"kind": kind, "path": path, "marks": marks})
    labels = [f"{most * part / 5:.2g}" for part in range(6)]
    along = (
        labels
        if days is None
        else [days[round((len(days) - 1) * part / 5)]["day"][5:] for part in range(6)]
    )
    return {
        "title": title,
        "x": axes[0],
        "y": axes[1],
        "lines": paths,
        "is_even": is_even,
        "x_labels": along,
        "y_labels": labels,
    }


def _by_day(days: list[dict[str, Any]]) -> list[tuple[str, list[tuple[float, float]]]]:
    wide = max(len(days) - 1, 1)
    return [
        (kind, [(at / wide, day[name]) for at, day in enumerate(days) if day[name] is not None])
        for kind, name in (("a", "recall"), ("b", "precision"))
    ]


@cache
def template(name: str) -> jinja2.Template:
    """A page of this folder; `page.css` is the style of all."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    ).get_template(name)
