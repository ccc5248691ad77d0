"""A mapping as it grows: what is proposed, why, and which columns are left."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import yaml

from riskstream.workbench.files.rows import Layout
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.words import NO_VALUES

EMPTY = frozenset((*NO_VALUES, "-", "n/a"))
"""Words that stand where there is no value. NA is a country."""
_NUMBERS = ("amount_minor", "occurred_at")
_SHOWN = 20
Ask = Callable[[str, list[str]], str]
"""ask(question, answers): the answer; the first is the likeliest."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """`transaction` and `label` as the mapping file has them; `whys` by field the reason, `unsure`
    those that a person should look at; `notes`: why a field is not there; `empty`: words that stand
    for no value.

    `left`: columns that no field took. `further(name)`: what a column holds behind the first rows.
    `base`: the currency in which amounts are summed. `has_fractions`: amounts have digits behind
    the point.
    """

    layout: Layout
    left: list[Seen]
    latest_ms: int
    base: str
    ask: Ask
    further: Callable[[str], pa.Array]
    transaction: dict[str, Any] = field(default_factory=dict)
    label: dict[str, Any] = field(default_factory=dict)
    whys: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    has_fractions: bool = False

    def put(self, name: str, value: Any, why: str = "", *, unsure: bool = False) -> None:
        """A field of the transaction."""
        self.transaction[name] = value
        if why:
            self.whys[name] = why
        if unsure:
            self.unsure.add(name)

    def take(
        self, found: Seen, name: str, value: Any, why: str = "", *, unsure: bool = False
    ) -> None:
        """A field from a column, which no other field takes then."""
        self.put(name, value, why or f"by its name; like {found.examples}", unsure=unsure)
        self.leave(found, are_words=name not in _NUMBERS)

    def leave(self, found: Seen, *, are_words: bool = True) -> None:
        """A column is used, and its words for no value are known where it holds words."""
        self.left.remove(found)
        if are_words:
            self.empty += [w for w in found.counts if w in EMPTY and w not in self.empty]

    def chosen(self, question: str, found: list[Seen], name: str) -> Seen:
        """One of several columns for a field: the one, or the one that a person says."""
        if len(found) == 1:
            return found[0]
        names = [each.name for each in found]
        self.unsure.add(name)
        return found[names.index(self.ask(question, names))]

    @property
    def unused(self) -> str:
        """What is said of the columns that are left; empty where none is."""
        if not self.left:
            return ""
        names = ", ".join(each.name for each in self.left[:_SHOWN])
        more = len(self.left) - _SHOWN
        return f"columns not used: {names}{f' and {more} more' if more > 0 else ''}"

    def text(self, name: str) -> str:
        """The mapping file, with a comment on each line."""
        about = f"# riskstream map: proposed for {name}. Read each line; `unsure` marks guesses."
        lines = [_one_line(about)]
        layout = self.layout
        held: dict[str, Any] = {
            "separator": layout.separator,
            "encoding": layout.encoding,
            "sheet": layout.sheet,
            "columns": list(layout.columns),
            "empty": self.empty,
        }
        if any(held.values()):
            lines.append("file:")
            for key, value in held.items():
                why = f" # unsure: {self.whys[key]}" if key in self.whys else ""
                if value:
                    lines.append(f"  {key}: {_flow(value)}{_one_line(why)}")
        for section, fields in (("transaction", self.transaction), ("label", self.label)):
            if fields:
                lines.append(f"{section}:")
            for key, value in fields.items():
                mark = "unsure: " if key in self.unsure else ""
                why = f" # {mark}{self.whys[key]}" if key in self.whys else ""
                lines.append(f"  {key}: {_flow(value)}{_one_line(why)}")
        lines += [_one_line(f"# {note}") for note in (*self.notes, self.unused) if note]
        return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """A comment: YAML takes no line ends and no signs that are not printed."""
    return "".join(each if each.isprintable() else " " for each in text)


def _flow(value: Any) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return text.strip().removesuffix("...").strip()
