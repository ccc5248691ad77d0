"""Values of lists as people write and read them: until when, and why."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from riskstream.cli.moments import moment
from riskstream.domain.risk.rules.listed import Entry
from riskstream.domain.risk.rules.names import RuleError

_PARTS = {"value", "until", "note"}


class Until(click.ParamType):
    """A day, which lasts to its end, or a time; both in UTC."""

    name = "DATE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if isinstance(value, int):
            return value
        try:
            return until_ms(value)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no date from 1970 to 9998: give 2027-01-31, or 2027-01-31T18:00:00 "
                "in UTC",
                param,
                ctx,
            )


def until_ms(value: str | date | datetime) -> int:
    """Ms since 1970 UTC at which the day or time is over. ValueError or OverflowError where it is
    none from 1970 to 9998.
    """
    if isinstance(value, str):
        return until_ms(_read(value.strip()))
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day) + timedelta(days=1)
    end = value if value.tzinfo else value.replace(tzinfo=UTC)
    found = int(end.timestamp() * 1000)
    if found <= 0:
        raise ValueError(f"{value} is before 1970")
    return found


def _read(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def lines(entries: Iterable[Entry], now_ms: int) -> list[str]:
    """A line for each value; one that has neither an end nor a note is alone on it."""
    out = []
    for each in entries:
        parts = [each.value]
        if each.ends_at is not None:
            parts.append(f"{'until' if each.ends_at > now_ms else 'ended'} {moment(each.ends_at)}")
        out.append("  ".join([*parts, *([each.note] if each.note else [])]))
    return out


def read_lists(given: Any) -> dict[str, list[Entry]]:
    """The `lists` of a file of rules: texts, or mappings of value, until and note. RuleError says
    what is wrong.
    """
    if not isinstance(given, dict) or not all(
        isinstance(values, list) for values in given.values()
    ):
        raise RuleError("`lists` is a mapping of names to lists of texts")
    return {str(name): [_entry(name, each) for each in values] for name, values in given.items()}


def _entry(name: str, given: Any) -> Entry:
    if not isinstance(given, dict):
        given = {"value": given}
    if unknown := sorted(set(map(str, given)) - _PARTS):
        raise RuleError(f"list {name}: {unknown[0]} is not one of {', '.join(sorted(_PARTS))}")
    if "value" not in given:
        raise RuleError(f"list {name} holds something without a value")
    value, note, until = given["value"], given.get("note", ""), given.get("until")
    if not isinstance(value, str) or not isinstance(note, str):
        raise RuleError(f"list {name} holds something that is not a text; put it in quotes")
    try:
        return Entry(value=value, ends_at=None if until is None else until_ms(until), note=note)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RuleError(
            f"list {name}: until of {value} is {until}, no date from 1970 to 9998; give one like "
            "2027-01-31"
        ) from error
