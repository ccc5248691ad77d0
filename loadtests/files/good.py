"""Small good files of every format and dialect, for damages to begin from."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.tables.formats import FORMATS, write
from tests.support.tables.truth import truth_of


@dataclass(frozen=True, slots=True)
class Good:
    """One file's bytes, the mapping for it, and the end of its name."""

    kind: str
    raw: bytes
    mapping: str
    suffix: str


def good_file(rng: Random, folder: Path) -> Good:
    """A random table as a file of a random format."""
    kind = rng.choice(FORMATS)
    written = write(rng, truth_of(rng), kind, folder)
    raw = written.path.read_bytes()
    written.path.unlink()
    return Good(kind=kind, raw=raw, mapping=written.mapping, suffix=written.path.suffix)
