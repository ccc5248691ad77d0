"""Texts of a file: ids, symbols of an enum, and labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.workbench.mapping.declared import Source
from riskstream.workbench.mapping.findings import Flags, Note, flags
from riskstream.workbench.mapping.looks import looks_of
from riskstream.workbench.mapping.numbers import LOST

NO_VALUES = (
    *("NULL", "null", "Null", "(null)", "<null>", "NaN", "nan", "NAN", "None", "none", "NONE"),
    *("\\N", "N/A", "n/a", "<NA>", "NaT", "nil", "undefined", "unknown", "Unknown", "UNKNOWN"),
    *("(blank)", "(empty)", "#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"),
)
"""How programs write that there is no value; an id by such a name would join strangers."""
NO_IDS = (*NO_VALUES, "-1", "-", "--", "?")
"""Words for nothing among ids."""
TOTALS = ("total", "totals", "grand total", "subtotal", "sub total", "sum", "summe", "gesamt")
"""Words for a line that adds up others, in small letters."""
_FORMULA = '^="[^"]*"$|^=[A-Z(].*[)0-9]$'
_DATE = r"^(\d{4}-\d\d-\d\d( 00:00:00)?|\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d\d)$"
_AROUND = r"^[\s\x{A0}\x{200B}\x{FEFF}]+|[\s\x{A0}\x{200B}\x{FEFF}]+$"
"""Spaces around a text, ASCII's and others."""
_ROUNDED = ((15, 16), (17, 18))
"""Digits that a spreadsheet and a float keep; of numbers with at least so many."""
_SOME = 8
"""Different ids of which not all end in zeros by chance."""
_LABELS: Mapping[str, bool] = {"0": False, "1": True, "false": False, "true": True}


def texts(column: pa.Array, source: Source, note: Note, *, is_id: bool = True) -> pa.Array:
    """As texts. Of ids a number with a point, one that lost digits, a word for nothing and a blank
    are noted.
    """
    kind = column.type
    there = flags(pc.is_valid(column))
    if pa.types.is_floating(kind):
        column = _of_floats(column, source, there, note)
    elif pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        column = column.cast(pa.string())
    elif not pa.types.is_string(kind):
        why = "bytes that are no UTF-8" if "binary" in str(kind) else f"a {kind} is no text"
        note(there, why)
        return pa.nulls(len(column), pa.string())
    if source.is_integer:
        column = pc.replace_substring_regex(column, r"^(-?\d+)\.0+$", r"\1")
    if source.is_trimmed:
        column = pc.replace_substring_regex(column, _AROUND, "")
    column = without(column, source.empty)
    if is_id and looks_of(column).suspects:
        column = _looked_at(column, source, there, note)
    return meant(column, source.values)


def _looked_at(column: pa.Array, source: Source, there: Flags, note: Note) -> pa.Array:
    """The column, where one of its texts may be no id."""
    note(
        flags(pc.match_substring_regex(column, r"^\d([.,]\d+)?[eE](\+?\d{2}|\+\d{3})$")),
        LOST,
        check="lost-digits",
    )
    note(_rounded(column), f"ends in zeros as all of them do: {LOST}", check="lost-digits")
    note(
        flags(pc.match_substring_regex(column, r"^-?\d+\.0$")),
        "a number with a point is no id: say `integer: true`, or export the column as text",
        check="float-ids",
    )
    note(
        flags(
            pc.is_in(
                column,
                pa.array([each for each in NO_IDS if each not in source.empty], pa.string()),
            )
        ),
        "a word for no value: say `empty:`",
        check="no-values",
    )
    note(there & flags(pc.equal(pc.utf8_trim_whitespace(column), "")), "blank")
    note(
        flags(pc.is_in(pc.utf8_lower(column), pa.array(TOTALS))),
        "a line that adds up others, as it seems",
        check="totals",
    )
    note(
        flags(pc.match_substring_regex(column, r"^'.*'$")),
        'in single quotes: say `file: {quote: "\'"}`, or export it without',
        check="quoted-ids",
    )
    note(
        flags(pc.match_substring_regex(column, rf"^'\d|{_FORMULA}")),
        "written as spreadsheets mark a text or a formula: export the column as text",
        check="quoted-ids",
    )
    note(
        flags(pc.match_substring_regex(column, _DATE)),
        "a date, as spreadsheets make of ids like 3-1: export the column as text",
        check="date-ids",
    )
    note(
        flags(pc.match_substring_regex(column, _AROUND)),
        "with spaces around it: say `trim: true`",
        check="padded-ids",
    )
    return column


def _rounded(column: pa.Array) -> Flags:
    """Which ids are long numbers that end in zeros, where so many do that none has its last
    digits.
    """
    none = np.zeros(len(column), np.bool_)
    for kept, least in _ROUNDED:
        is_long = flags(pc.match_substring_regex(column, rf"^\d{{{least},}}$"))
        if not is_long.any():
            break
        different = pc.unique(column.filter(pa.array(is_long)))
        is_cut = pc.match_substring_regex(different, rf"^\d{{{kept}}}0+$")
        has_last = pc.match_substring_regex(different, rf"^\d{{{kept - 1}}}[1-9]")
        share = pc.sum(has_last).as_py() / len(different)
        if len(different) >= _SOME and pc.all(is_cut).as_py() and share >= 0.5:
            return is_long
    return none


def without(column: pa.Array, empty: tuple[str, ...]) -> pa.Array:
    """The texts, null where they are one of the words for nothing."""
    if not empty:
        return column
    is_empty = pc.is_in(column, pa.array(empty, pa.string()))
    return pc.if_else(is_empty, pa.scalar(None, pa.string()), column)


def _of_floats(column: pa.Array, source: Source, there: Flags, note: Note) -> pa.Array:
    """Whole numbers as texts without a point, where the mapping says so."""
    raw = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False), np.float64)
    if not source.is_integer:
        note(
            there,
            f"a {column.type} is no id: say `integer: true`, or export the column as text",
            check="float-ids",
        )
    most = 2.0 ** (np.finfo(column.type.to_pandas_dtype()).nmant + 1)
    is_whole = np.isfinite(raw) & (raw == np.rint(raw)) & (np.abs(raw) < most)
    note(there & np.isfinite(raw) & (np.abs(raw) >= most), LOST, check="lost-digits")
    note(there & ~is_whole & ~(np.abs(raw) >= most), "not a whole number")
    whole = pa.array(np.where(np.isfinite(raw) & (np.abs(raw) < 9e18), raw, 0).astype(np.int64))
    return pc.if_else(pa.array(there), whole.cast(pa.string()), pa.scalar(None, pa.string()))


def meant(column: pa.Array, values: tuple[tuple[str, Any], ...]) -> pa.Array:
    """Each word that `values` names as what it means there; others as they are."""
    if not values:
        return column
    words = pa.array([word for word, _ in values], pa.string())
    means = pa.array([None if means is None else str(means) for _, means in values], pa.string())
    at = pc.index_in(column, words)
    return pc.if_else(pc.is_valid(at), means.take(at), column)


def symbols(column: pa.Array, source: Source, known: tuple[str, ...], note: Note) -> pa.Array:
    """Symbols of an enum; a null is UNKNOWN, another word is noted with the words there are."""
    if not pa.types.is_string(column.type):
        if not pa.types.is_integer(column.type):
            note(flags(pc.is_valid(column)), f"a {column.type} is no word")
            return pa.array([known[0]] * len(column))
        column = column.cast(pa.string())
    text = meant(without(column, source.empty), source.values).fill_null(known[0])
    note(
        ~flags(pc.is_in(text, pa.array(known))),
        f"none of {', '.join(known)}: say `values: {{word: {known[1]}}}`",
    )
    return text


def labels(column: pa.Array, source: Source, note: Note) -> tuple[Flags, Flags]:
    """(is fraud, has no label). A value that is neither of two is noted."""
    if pa.types.is_boolean(column.type) and not source.values:
        return flags(column), flags(pc.is_null(column))
    if pa.types.is_boolean(column.type):
        text = pc.if_else(column, "true", "false")
    elif pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        whole = pc.if_else(pc.equal(column, 0), "0", pc.if_else(pc.equal(column, 1), "1", "other"))
        text = pc.if_else(pc.is_nan(column), "NaN", whole)
    elif pa.types.is_string(column.type):
        text = column
    elif pa.types.is_integer(column.type):
        text = column.cast(pa.string())
    else:
        note(flags(pc.is_valid(column)), f"a {column.type} is no label")
        return np.zeros(len(column), np.bool_), flags(pc.is_null(column))
    text = without(text, source.empty)
    known = dict(_LABELS)
    if source.values:
        known = {word: bool(means) for word, means in source.values if means is not None}
        text = without(text, tuple(word for word, means in source.values if means is None))
    elif not pa.types.is_integer(column.type):  # whose texts have no capitals and no point
        text = pc.replace_substring_regex(pc.utf8_lower(text), r"\.0$", "")
    none = flags(pc.is_null(text))
    is_fraud, is_genuine = (
        # the type is said: of a mapping with one word, one of the two lists is empty
        flags(
            pc.is_in(text, pa.array([w for w, is_so in known.items() if is_so == of], pa.string()))
        )
        for of in (True, False)
    )
    note(
        ~none & ~is_fraud & ~is_genuine,
        "none of "
        + ", ".join(known)
        + (": add the word to `values:`" if source.values else ': say `values: {"Yes": true}`'),
    )
    return is_fraud, none
