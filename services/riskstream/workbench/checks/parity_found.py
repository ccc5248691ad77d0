"""What a parity check found, in counts and in words."""

from dataclasses import dataclass, field

SHOWN = 20
"""Problems that are said in words."""


@dataclass(slots=True)
class Parity:
    """Counts of scores: `compared` equal or not, `flagged` left out, `other_set` of another feature
    set and left out.

    `profiles_compared`: vectors of profiles, one an entity and score; `profiles_missing` of them
    were not there when it was scored.
    """

    compared: int = 0
    rejected: int = 0
    flagged: int = 0
    other_set: int = 0
    verdicts_differ: int = 0
    vectors_differ: int = 0
    without_source: int = 0
    profiles_compared: int = 0
    profiles_missing: int = 0
    profiles_differ: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True where nothing differs and something was compared."""
        return bool(self.compared) and not (
            self.verdicts_differ
            or self.vectors_differ
            or self.without_source
            or self.profiles_differ
        )

    @property
    def left(self) -> int:
        """How many more problems are said in words."""
        return SHOWN - len(self.problems)

    def note(self, words: str) -> None:
        """Say a problem, one of the first."""
        if len(self.problems) < SHOWN:
            self.problems.append(words)
