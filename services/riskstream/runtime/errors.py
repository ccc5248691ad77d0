"""The three errors of the product. Who raises one says what happened, where, and what to do.

Not frozen: Python itself sets an exception's traceback and notes.
"""

from dataclasses import dataclass

from riskstream.runtime.exits import Exit


@dataclass(eq=False, kw_only=True)
class Rejected(Exception):
    """The data is at fault: the record is answered as rejected and goes to the dead letters."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(eq=False, kw_only=True)
class Retryable(Exception):
    """The world is at fault: hold, keep polling, try again."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


@dataclass(eq=False, kw_only=True)
class Fatal(Exception):
    """We, or who started us, are at fault: the process ends with exit_code and one sentence."""

    what: str
    where: str
    do: str
    exit_code: int = Exit.NO

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.do}"
