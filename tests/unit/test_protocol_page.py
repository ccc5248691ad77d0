"""docs/protocol.md names functions that exist, and every step that the code names. What it says of
numbers, of lost state and of the model's rules holds in the code.
"""

import ast
import re
import tokenize
from pathlib import Path

import pytest
from tests.model.protocol import Rule
from tests.support.standings import standing

from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.exact.standing import Standing

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "services" / "riskstream"
PAGE = (ROOT / "docs" / "protocol.md").read_text()
STEPS = re.findall(r"^\| ([A-Z]\d) \|", PAGE, re.M)
PROSE = (tokenize.COMMENT, tokenize.STRING)


def _places() -> list[tuple[str, str]]:
    """(file, function) of each cell: files in backquotes, each with its functions behind it."""
    found = []
    for cell in re.findall(r"^\| [A-Z]\d \|.*\| ([^|]+) \|$", PAGE, re.M):
        for part in cell.split(";"):
            path, *names = re.findall(r"`([^`]+)`", part)
            found += [(path, name) for name in names]
    return found


@pytest.mark.parametrize(("path", "name"), _places())
def test_each_function_of_the_protocol_stands_where_the_page_says(path: str, name: str) -> None:
    file = (ROOT if path.startswith("tests/") else PACKAGE) / path
    named = (ast.FunctionDef, ast.ClassDef)
    assert name in {
        each.name for each in ast.walk(ast.parse(file.read_text())) if isinstance(each, named)
    }


def test_each_step_has_a_place_and_stands_once() -> None:
    assert len(STEPS) == len(set(STEPS)) == 21
    assert len(_places()) > len(STEPS)


def test_code_names_no_step_that_the_page_lacks() -> None:
    files = [
        *(PACKAGE / "platform" / "kafka" / "lanes").rglob("*.py"),
        PACKAGE / "platform" / "adapters" / "redis_state.py",
        ROOT / "tests/model/protocol.py",
    ]
    said = {}
    for file in files:
        with file.open("rb") as source:
            prose = " ".join(
                token.string for token in tokenize.tokenize(source.readline) if token.type in PROSE
            )
        said.update(dict.fromkeys(re.findall(r"\b[ABCIW]\d\b", prose), file.name))
    assert said.keys() - set(STEPS) == set()
    assert len(said) > 15


LOST = {
    "The store has no watermark, and the source no longer starts at offset 0.": (
        standing(None, (5, 80), source_low=10),
        standing(None, (0, 80)),
    ),
    "The source starts after the record that follows the watermark.": (
        standing(9, (20, 80), source_low=30),
        standing(9, (0, 10), source_low=30, committed=10, empty_to=30),
    ),
    "The answers that followed the watermark have expired, and nothing else tells": (
        standing(9, (80, 80)),
        standing(9, (10, 10)),
    ),
    "A record is known to be answered, but its verdict has expired.": (
        standing(9, (20, 80)),
        standing(9, (10, 80)),
    ),
}
"""Each case of the page, a partition in it, and one that is just outside it."""


def test_the_page_names_each_case_of_lost_state_and_no_other() -> None:
    (section,) = re.findall(r"^### When the state is lost\n(.*?)^## ", PAGE, re.M | re.S)
    cases = re.findall(r"^- (.*)$", section, re.M)
    assert len(cases) == len(LOST)
    assert all(said.startswith(case) for said, case in zip(cases, LOST, strict=True))


@pytest.mark.parametrize("case", LOST)
def test_state_is_lost_in_the_case_and_not_beside_it(case: str) -> None:
    lost, beside = LOST[case]
    assert lost.lost("source", "output")
    assert lost.certain_from() is not None
    assert beside.lost("source", "output") is None


def test_a_partition_without_a_watermark_starts_at_the_head_and_a_new_group_lost_nothing() -> None:
    found = standing(None, (0, 80))
    assert (found.lost("source", "output"), found.start) == (None, 0)
    fresh: Standing = standing(None, source_low=30)
    assert fresh.lost("source", "output") is None


def test_the_pages_numbers_are_those_of_the_lane() -> None:
    settings = LaneSettings(kafka="", group="", source="", output="", dead_letters="")
    assert settings.checkpoint_every_ms == 1000
    assert (
        f"each second, or earlier once a partition has processed {settings.checkpoint_rows:,}"
        in (PAGE)
    )
    assert settings.drain_ms == 2000
    assert "It waits up to two seconds for acknowledgements" in PAGE


def test_each_rule_of_the_model_belongs_to_a_step_or_an_invariant_of_the_page() -> None:
    known = {*STEPS, *re.findall(r"^\| (I\d) \|", PAGE, re.M)}
    assert {each.value.split(":")[0] for each in Rule} <= known
    assert f"It has {len(Rule)} rules" in PAGE
