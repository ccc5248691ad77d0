"""A comparison of two models as one self-contained HTML page: no script, no link."""

from collections.abc import Callable
from functools import partial
from typing import Any

from riskstream.domain.risk.money import shown
from riskstream.workbench.checks.page import Curves, chart, ratio, share, small, template
from riskstream.workbench.checks.scored import left_out_words

_WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "auc": ("area under the ROC curve", ratio),
    "average_precision": ("average precision", ratio),
    "card_precision_100": ("of the 100 riskiest customers each day, share that were fraud", ratio),
    "calibration_error": ("expected calibration error", small),
    "brier": ("Brier score", small),
    "alerts": ("alerts", lambda value: "-" if value is None else f"{value:,}"),
    "precision": ("precision of the alerts", share),
    "recall": ("recall of the alerts", share),
}
_MONEY = {
    "saved_minor": "amount of frauds alerted",
    "lost_minor": "amount of frauds missed",
    "stopped_minor": "amount of genuine ones alerted",
}


def page(title: str, names: tuple[str, str], found: dict[str, Any], curves: list[Curves]) -> str:
    """HTML of what `compare` found of A and B, which have these `names`, and of the curves of
    each; the same comparison gives the same text.
    """
    currency = found["base_currency"]
    money = partial(shown, currency=currency)
    a, b = curves
    return template("comparison.html").render(
        title=title,
        names=names,
        r=found,
        rows=_rows(found["figures"], money, currency),
        charts=[
            chart(
                "Precision by recall: A solid, B dashed",
                ("recall", "precision"),
                [("a", a["precision_recall"]), ("b", b["precision_recall"])],
            ),
            chart(
                "ROC: A solid, B dashed",
                ("share of genuine ones alerted", "share of frauds alerted"),
                [("a", a["roc"]), ("b", b["roc"])],
                is_even=True,
            ),
        ],
        left_out=left_out_words(found["left_out"]),
        money=money,
    )


def _rows(
    figures: dict[str, Any], money: Callable[[int], str], currency: str
) -> list[dict[str, str]]:
    """A row a figure: its name, both values and the difference, each with its interval, and what B
    is.
    """
    of = f", {currency}" if currency else ""
    out = []
    for name, each in figures.items():
        words, say = _WORDS.get(name) or (f"{_MONEY[name]}{of}", _or_dash(money))
        row = {"name": words, "b_is": each["b_is"]}
        for part in ("a", "b", "difference"):
            between = each[f"{part}_interval"]
            row[part] = say(each[part])
            row[f"{part}_between"] = (
                "" if between is None else f"{say(between[0])} to {say(between[1])}"
            )
        out.append(row)
    return out


def _or_dash(say: Callable[[int], str]) -> Callable[[Any], str]:
    return lambda value: "-" if value is None else say(value)
