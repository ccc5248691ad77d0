"""An evaluation as one self-contained HTML page: no script, no link, charts as inline SVG."""

from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from riskstream.domain.risk.money import shown

_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 450, 20, 290


def page(
    title: str,
    figures: dict[str, Any],
    curves: dict[str, list[tuple[float, float]]],
    slices: list[dict[str, Any]] | None = None,
    facts: list[tuple[str, str]] | None = None,
) -> str:
    """HTML of what `evaluate`, `curves`, `slices` and `facts` gave; the same figures give the same
    text.
    """
    bins = [(each["mean_score"], each["fraud_rate"]) for each in figures["calibration"]]
    most = max((value for pair in bins for value in pair), default=1.0) or 1.0
    charts = [
        _chart("Precision by recall", ("recall", "precision"), [("a", curves["precision_recall"])]),
        _chart(
            "ROC",
            ("share of genuine ones alerted", "share of frauds alerted"),
            [("b", curves["roc"])],
            is_even=True,
        ),
        _chart(
            "Calibration, ten equal parts",
            ("mean score", "share of frauds"),
            [("a", bins)],
            most,
            is_even=True,
        ),
        _chart(
            "Recall (blue) and precision (red) by day",
            ("day", "share"),
            _by_day(figures["days"]),
            days=figures["days"],
        ),
    ]
    currency = figures["base_currency"]
    money, of = partial(shown, currency=currency), f", {currency}" if currency else ""
    heads = [
        (f"{figures['average_precision']:.3f}", "average precision"),
        (f"{figures['auc']:.3f}", "area under the ROC curve"),
        (
            f"{figures['card_precision_100']:.3f}",
            ("of the 100 riskiest customers each day, share that were fraud"),
        ),
        (f"{figures['calibration_error']:.4f}", "expected calibration error"),
        (share(figures["precision"]), f"precision of {figures['alerts']:,} alerts"),
        (share(figures["recall"]), "recall of the alerts"),
        (money(figures["saved_minor"]), f"amount of frauds alerted{of}"),
        (money(figures["lost_minor"]), f"amount of frauds missed{of}"),
    ]
    return _template().render(
        title=title,
        r=figures,
        figures=heads,
        charts=charts,
        slices=slices or [],
        facts=facts or [],
        share=share,
        money=money,
    )


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


def _chart(
    title: str,
    axes: tuple[str, str],
    lines: list[tuple[str, list[tuple[float, float]]]],
    most: float = 1.0,
    *,
    is_even: bool = False,
    days: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A line chart on axes from 0 to `most`, with a dashed diagonal or with days along x."""
    paths = [
        {
            "kind": kind,
            "path": "M"
            + " L".join(
                f"{_LEFT + (_RIGHT - _LEFT) * a / most:.1f} "
                f"{_BOTTOM - (_BOTTOM - _TOP) * b / most:.1f}"
                for a, b in points
            ),
        }
        for kind, points in lines
        if points
    ]
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
def _template() -> jinja2.Template:
    text = Path(__file__).with_name("evaluation.html").read_text()
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    ).from_string(text)
