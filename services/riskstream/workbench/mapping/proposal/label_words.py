"""What words of labels mean."""

from collections.abc import Iterable

import pyarrow as pa

from riskstream.workbench.mapping.columns_seen import Seen

MOST_WORDS = 12
"""Different words that a column of labels has."""
_PLAIN = {"0", "1", "0.0", "1.0", "false", "true"}
"""Words that mean the same without `values`."""
_FRAUD = {"fraud", "fraudulent", "fraude", "betrug"}
_GENUINE = {"genuine", "legit", "legitimate", "normal", "non-fraud", "not fraud", "no fraud", "ok"}
_YES = {"1", "1.0", "true", "yes", "y", "t", "ja", "j", "oui", "si"}
_NO = {"0", "0.0", "false", "no", "n", "f", "nein", "non"}
_PAIRS = (
    ("0", "1"),
    ("0.0", "1.0"),
    ("false", "true"),
    ("f", "t"),
    ("n", "y"),
    ("no", "yes"),
    ("nein", "ja"),
    ("non", "oui"),
    ("genuine", "fraud"),
    ("legit", "fraud"),
    ("ok", "fraud"),
)


def label_words(seen: Seen) -> dict[str, str]:
    """Each value of a column as `values` has it: true, and 1 of numbers with a point."""
    if pa.types.is_boolean(seen.column.type):
        return {word: word.lower() for word in seen.counts}
    if seen.is_text:
        return {word: word for word in seen.counts}
    return {word: word.removesuffix(".0") for word in seen.counts}


def meaning_of(word: str, is_turned: bool) -> bool | None:
    """Whether a word means fraud; None where nobody knows. `is_turned`: yes is no fraud."""
    plain = word.strip().strip("'\"").lower()
    if plain in _FRAUD or plain in _GENUINE:
        return plain in _FRAUD
    if plain in _YES or plain in _NO:
        return (plain in _YES) != is_turned
    return None


def other_word(word: str) -> str:
    """The other one of a pair, in capitals as the first is; empty where there is none."""
    plain = word.lower()
    pair = next((each for each in _PAIRS if plain in each), None)
    if pair is None:
        return ""
    other = pair[1] if plain == pair[0] else pair[0]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word.istitle() else other


def is_plain(words: Iterable[str]) -> bool:
    """Whether a mapping needs no `values` for these words."""
    return all(word.lower() in _PLAIN for word in words)
