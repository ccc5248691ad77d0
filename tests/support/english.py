"""What plain English means here, as far as a test can tell: short sentences, and words that readers
of Kafka know.
"""

import re

MOST_WORDS = 25
_PLAIN = {
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"(?:is|are|was|were|be|been|goes|went) away": "cannot be reached, is down",
    r"anew": "again",
    r"of before": "name it: older, earlier",
    r"(?:came|comes|come) of": "result of",
    r"as of": "at, from",
    r"stands? twice": "appears twice",
    r"(?:take|takes|taken|taking|took) up": "apply, open",
    r"hand(?:s|ed)? on": "pass on",
    r"asks? (?:a|the) list|rules ask": "use a list",
    r"rules that ship": "default rules",
    r"so as to": "to",
    r"where(?:by|of|upon)|there(?:by|of|in|upon)|here(?:by|of|in)"
    r"|hence|thence|whence|lest|nay|albeit": ("a plain word"),
    r"upon": "on",
    (
        r"1 (?:rules|records|labels|letters|dead "
        r"letters|lists|rows|transactions|alerts|partitions|brokers)"
    ): ("the singular"),
    r"strange": "unreadable, unknown",
    r"are right(?! (?:and|about|to))": "OK, valid",
}
"""A word or phrase that stands in no text for users, and what to say."""
_PATTERNS = {re.compile(rf"\b(?:{each})\b", re.IGNORECASE): use for each, use in _PLAIN.items()}
_BLOCK = re.compile(r"```[a-z]*\n.*?```|<!--.*?-->|(?<=\n\n)(?: {4}[^\n]*\n)+", re.DOTALL)


def not_plain(text: str) -> list[str]:
    """Phrases of a text that another word says better; code does not count."""
    text = re.sub(r"`[^`\n]*`", "`", text)
    return [
        f"{found[0]!r}: say {use}"
        for each, use in _PATTERNS.items()
        if (found := each.search(text))
    ]


def sentences(text: str) -> list[str]:
    """Of a text without layout. A colon or a semicolon ends one as well."""
    text = re.sub(r"`[^`\n]*`", "`code`", text)
    return [" ".join(each.split()) for each in re.split(r"[.:;?!](?:[)\"*]*)(?:\s|$)", text)]


def of_page(page: str) -> list[str]:
    """The sentences of a Markdown page: of paragraphs, points and cells; not its headings, code and
    comments.
    """
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", _BLOCK.sub("\n\n", page))
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-|#*] |\||\d+\. ))", text)
    cells = [
        cell for part in parts if not part.lstrip().startswith("#") for cell in _cells(part.strip())
    ]
    return [each for cell in cells for each in sentences(cell)]


def _cells(part: str) -> list[str]:
    return part.strip("|").split("|") if part.startswith("|") else [part.lstrip("-*0123456789. ")]


def too_long(said: list[str]) -> list[str]:
    """Those over MOST_WORDS; a list of figures is none."""
    return [
        each
        for each in said
        if len(each.split()) > MOST_WORDS and sum(word[0].isdigit() for word in each.split()) < 12
    ]
