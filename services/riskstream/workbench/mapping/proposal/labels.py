"""Which column says what was a fraud, and which of its words means one."""

import re

from riskstream.runtime.words import count_of
from riskstream.workbench.mapping.columns_seen import Seen
from riskstream.workbench.mapping.proposal.draft import EMPTY, Draft
from riskstream.workbench.mapping.proposal.label_words import (
    MOST_WORDS,
    is_plain,
    label_words,
    meaning_of,
    other_word,
)

_NAMED = r"fraud|betrug|chargeback"
_MAY_BE_NAMED = r"^class$|^label$|target|outcome|ergebnis"
_TURNED = (
    r"(?:^|[^a-z])(?:is[ _-]*)?(?:not?|non|kein\w*)[ _-]*(?:a[ _-]*)?(?:fraud|betrug)|genuine|legit"
)
"""Names of columns whose yes is no fraud."""
_OF_SYSTEMS = r"flagged|predict|pred\b|suspect|alert|rule|model|score|system"
"""Names of what a system thought was a fraud."""


def propose_label(draft: Draft) -> None:
    """The section `label`, where a column has two words that a label has."""
    found: list[Seen] = []
    notes: list[str] = []
    for pattern in (f"{_NAMED}|{_TURNED}", _MAY_BE_NAMED):
        named = [each for each in draft.left if re.search(pattern, each.name.lower())]
        found = found or [each for each in named if _is_label(each, pattern, notes)]
    exact = [each for each in found if each.name == "is_fraud"]
    found.sort(key=_rank)
    if not found:
        draft.notes += notes
        return
    chosen = draft.chosen(
        "several columns may say what was a fraud: which does?", exact or found, "is_fraud"
    )
    doubts = []
    if len(exact or found) > 1:
        doubts.append(f"one of {', '.join(each.name for each in exact or found)}")
    if not (_is_mark(chosen) and _take_mark(draft, chosen, doubts)):
        _take(draft, chosen, doubts)
    draft.label["delay_days"] = 7
    draft.whys["delay_days"] = "the file does not say when a fraud became known"
    draft.unsure |= {"delay_days", *(["is_fraud"] if doubts else [])}
    draft.leave(chosen)


def _rank(seen: Seen) -> tuple[bool, bool]:
    """How likely a column is the label: names of what a system thought stand behind, and columns of
    one word.
    """
    return re.search(_OF_SYSTEMS, seen.name.lower()) is not None, seen.different < 2


def _is_label(seen: Seen, pattern: str, notes: list[str]) -> bool:
    """Whether its words are those of a label, or a person may say which of two is fraud."""
    if not 1 <= seen.different <= MOST_WORDS or seen.counts.keys() <= EMPTY:
        return False
    is_turned = _is_turned(seen)
    known = [w for w in seen.counts if meaning_of(label_words(seen)[w], is_turned) is not None]
    covered = sum(seen.counts[word] for word in known)
    is_named = pattern != _MAY_BE_NAMED
    filled = seen.filled - sum(seen.counts[word] for word in EMPTY)
    is_known = covered * 2 >= filled and (is_named or len(known) > 1 or seen.different == 1)
    if is_known or (is_named and (seen.different == 2 or _is_mark(seen))):
        return True
    words = ", ".join(map(repr, seen.words))
    notes.append(f"no label: {seen.name} has {words}: say in `values:` what is fraud")
    return False


def _is_turned(seen: Seen) -> bool:
    return re.search(_TURNED, seen.name.lower()) is not None


def _is_mark(seen: Seen) -> bool:
    """Whether one word stands in some rows, as a mark of frauds, and nothing in the others."""
    words = [word for word in seen.counts if word not in EMPTY]
    is_one = len(words) == 1 and seen.is_text and seen.filled < seen.rows
    is_plain_text = is_one and re.fullmatch(r"[\w ./-]+", words[0]) is not None
    return is_plain_text and not _is_turned(seen) and meaning_of(words[0], False) is not False


def _take_mark(draft: Draft, seen: Seen, doubts: list[str]) -> bool:
    """A column that marks frauds alone, where a person says that the others are genuine."""
    word, count = next((w, n) for w, n in seen.counts.items() if w not in EMPTY)
    rest = seen.rows - count
    answers = ["genuine", "without a label"]
    question = f"{seen.name} has {word!r} in {count:,} rows and nothing in {rest:,}"
    if draft.ask(f"{question}: what are these?", answers) != answers[0]:
        return False
    told = {"expression": f'mark == "{word}"', "names": {"mark": seen.name}}
    draft.label["is_fraud"] = told
    doubts.append(f"{count:,} rows have {word!r}; {rest:,} have nothing, taken for genuine")
    draft.whys["is_fraud"] = "; ".join([*doubts, "by its name"])
    return True


def _take(draft: Draft, seen: Seen, doubts: list[str]) -> None:
    shown, is_turned = label_words(seen), _is_turned(seen)
    words = [word for word in seen.counts if word not in EMPTY]
    told = {word: meaning_of(shown[word], is_turned) for word in words}
    if is_turned:
        doubts.append("by its name, yes means genuine")
    if len(set(told.values()) - {None}) < 2:
        doubts += _completed(draft, seen, shown, told)
    frauds = sum(seen.counts[word] for word, means in told.items() if means)
    labels = sum(seen.counts[word] for word, means in told.items() if means is not None)
    if frauds * 2 > labels:
        doubts.append(f"{frauds:,} of {labels:,} are frauds: is it the other way round?")
    if odd := [word for word, means in told.items() if means is None]:
        doubts.append(f"rows with {', '.join(map(repr, odd))} have no label")
    values = {shown[word]: means for word, means in told.items()}
    is_bare = not is_turned and not odd and is_plain(values) and _is_as_named(values)
    draft.label["is_fraud"] = seen.name if is_bare else {"column": seen.name, "values": values}
    count = "two values" if len(words) == 2 else "its values"
    said = f"by its name and {count}: {', '.join(words)}"
    draft.whys["is_fraud"] = "; ".join([*doubts, said])


def _is_as_named(values: dict[str, bool | None]) -> bool:
    return all(means == meaning_of(word, False) for word, means in values.items())


def _completed(
    draft: Draft, seen: Seen, shown: dict[str, str], told: dict[str, bool | None]
) -> list[str]:
    """Words of one meaning alone: the other is found further on, is the other of a pair, or is
    asked. What is doubtful then.
    """
    known = [word for word, means in told.items() if means is not None]
    is_asked = not known or (len(told) == 2 and all(map(_is_count, told)))
    if len(known) < len(told) and is_asked:
        rarer = sorted(told, key=lambda each: seen.counts[each])
        fraud = rarer[0]
        if len(rarer) > 1:
            fraud = draft.ask(f"which word of {seen.name} means fraud?", rarer)
        told.update((word, word == fraud) for word in rarer)
        return [f"{fraud!r} taken for fraud"]
    is_fraud = told[known[0]]
    late = [each for each in draft.further(seen.name).to_pylist() if each not in {*told, *EMPTY}]
    for word in late[: MOST_WORDS - len(told)]:
        shown[word], told[word] = word, meaning_of(word, _is_turned(seen))
    if (not is_fraud) not in told.values() and (other := other_word(shown[known[0]])):
        shown[other], told[other] = other, not is_fraud
    return [f"no {'genuine row' if is_fraud else 'fraud'} among {count_of(seen.rows, 'row')}"]


def _is_count(word: str) -> bool:
    return re.fullmatch(r"-?\d+(\.0)?", word) is not None
