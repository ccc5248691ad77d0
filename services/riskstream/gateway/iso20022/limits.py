"""How large a message and its parts may be, and the refusals of what is larger or no message."""

from dataclasses import dataclass

from riskstream.domain.contracts.door import Fault
from riskstream.gateway.problem import Problem, invalid, too_large


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most of each. `max_depth`: elements within each other. `max_text`: characters of one element
    or attribute. `max_names`: different names and namespaces, `max_paths`: different places of
    elements, both of a message; the largest ISO message has some hundreds.
    """

    max_bytes: int = 1 << 30
    max_transactions: int = 1_000_000
    max_depth: int = 32
    max_text: int = 65_536
    max_attributes: int = 16
    max_names: int = 2_048
    max_paths: int = 4_096


def refusal(code: str, detail: str, path: str = "/", allowed: str = "") -> Problem:
    """The refusal of a whole message. `path` is an XPath."""
    return invalid([Fault(path=path, code=code, detail=detail, allowed=allowed)])


def over(detail: str, path: str = "/") -> Problem:
    """The refusal of a message that is over a limit."""
    return refusal("xml-limit", detail, path)


def too_many_bytes(most: int) -> Problem:
    """The refusal of a message that has more bytes than are read."""
    return too_large(most, "send its transactions in several messages")
