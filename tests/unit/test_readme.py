"""README.md and README.zh.md say the same: commands, links, figures; and sentences of the English
one are short.
"""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
MOST_WORDS = 25
_BLOCK = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)


def _commands(page: str) -> list[str]:
    """Lines of its code blocks without comments, then its inline code."""
    lines = [
        re.sub(r"\s+# .*", "", line)
        for block in _BLOCK.findall(page)
        for line in block.splitlines()
    ]
    return [*lines, *sorted(re.findall(r"`([^`\n]+)`", _BLOCK.sub("", page)))]


def _links(page: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)]+)\)", page) if not link.startswith("README")]


def test_both_have_the_same_commands_and_links() -> None:
    assert _commands(ENGLISH) == _commands(CHINESE)
    assert sorted(_links(ENGLISH)) == sorted(_links(CHINESE))


def _figures(section: str) -> Counter[str]:
    """How often each number stands in a section, whatever the order of its words."""
    text = section.replace("1,020 万", "10.2")
    return Counter(re.findall(r"\d[\d,.]*\d|\d", text))


def test_both_have_the_same_sections_and_figures() -> None:
    sections = [re.split(r"^#+ .*$", page, flags=re.M) for page in (ENGLISH, CHINESE)]
    assert len(sections[0]) == len(sections[1])
    differs = [
        (number, figures[0] - figures[1], figures[1] - figures[0])
        for number, pair in enumerate(zip(*sections, strict=True))
        if (figures := [_figures(each) for each in pair])[0] != figures[1]
    ]
    assert differs == []
    assert sum(sum(_figures(each).values()) for each in sections[0]) > 70


def test_each_link_leads_to_a_file() -> None:
    assert [link for link in _links(ENGLISH) if not (ROOT / link.partition("#")[0]).exists()] == []
    assert len(_links(ENGLISH)) > 30


def test_its_sentences_are_short() -> None:
    text = _BLOCK.sub("", ENGLISH)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    parts = [
        part for part in re.split(r"\n\n|\n(?=[-|#*])", text) if not part.startswith(("|", "#"))
    ]
    sentences = [each for part in parts for each in re.split(r"[.:;?!](?:\s|$)", part.lstrip("- "))]
    long = [each for each in sentences if len(each.split()) > MOST_WORDS]
    assert len(sentences) > 60
    assert long == []
