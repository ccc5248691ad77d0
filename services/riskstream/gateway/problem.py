"""Problem details (RFC 9457): every refusal says what is wrong, where in the body, and what to do."""

from dataclasses import dataclass
from typing import Any


@dataclass(eq=False, kw_only=True)
class Problem(Exception):
    """One refusal. `path` is a JSONPath into the body ("$" is the body itself), empty where it is not about the body."""

    status: int
    code: str
    title: str
    detail: str
    path: str = ""
    more: tuple[tuple[str, Any], ...] = ()

    def body(self) -> dict[str, Any]:
        """The members of application/problem+json."""
        out = {
            "type": f"urn:riskstream:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **dict(self.more),
        }
        if self.path:
            out["errors"] = [{"path": self.path, "detail": self.detail}]
        return out


def invalid(code: str, path: str, detail: str) -> Problem:
    """400: the body is not what the route takes."""
    path, detail = (
        text.encode(errors="replace").decode() for text in (path, detail)
    )  # they may show half a surrogate pair
    return Problem(status=400, code=code, title="The body is not valid", detail=detail, path=path)
