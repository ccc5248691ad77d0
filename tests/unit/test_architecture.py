"""ARCHITECTURE.md names files that exist, each so that it is one file, and functions that they
have.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("services", "tests", "loadtests", "scripts")
    for path in (ROOT / folder).rglob("*.py")
}


def _owners(name: str) -> list[str]:
    return [path for path in SOURCES if f"/{path}".endswith(f"/{name}")]


def _of_paragraph(text: str, name: str) -> list[str]:
    """Files of that name, in a folder that the paragraph names with a slash at its end."""
    folders = re.findall(r"`([a-z_/]+)/`", text)
    return [
        path
        for path in _owners(name)
        if any(path.rpartition("/")[0].endswith(folder) for folder in folders)
    ]


def test_each_file_is_named_so_that_it_is_one() -> None:
    found = []
    for text in re.split(r"\n\s*\n|\n(?=\|)", PAGE):
        for name in re.findall(r"`([a-z_/]+\.py)`", text):
            owners = _owners(name)
            if len(owners) != 1 and len(_of_paragraph(text, name)) != 1:
                found.append((name, len(owners)))
    assert found == []


def test_each_function_stands_in_the_file_before_it() -> None:
    found, count = [], 0
    for part in re.split(r"\n\s*\n|\n(?=\|)|\n(?=\d\. )", PAGE):
        path = ""
        for name in re.findall(r"`([A-Za-z_/]+(?:\.py)?)`", part):
            if name.endswith(".py"):
                path = name
            elif path and re.fullmatch(r"_[a-z_]+", name):
                count += 1
                owners = _owners(path) or _of_paragraph(part, path)
                if not any(re.search(rf"def {name}\b", SOURCES[each]) for each in owners):
                    found.append((path, name))
    assert count > 12
    assert found == []
