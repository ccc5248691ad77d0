"""Refusals that are about a request's key, or about an earlier request. Pure."""

import re

from riskstream.gateway.problem import Problem

MAX_KEY = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY}}}")


def checked_key(given: list[str]) -> str | None:
    """The Idempotency-Key of a request; Problem where it is given twice, or is none."""
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        found = f"it is given {len(given)} times" if len(given) > 1 else "it is not of that form"
        raise Problem(
            status=400,
            code="bad-idempotency-key",
            title="The Idempotency-Key is wrong",
            detail=f"{found}; give 1 to {MAX_KEY} visible ASCII characters once",
        )
    return given[0]


def other_body(by_key: bool) -> Problem:
    """422: the same key or id came before, with another body; nothing was published."""
    what, code = ("Idempotency-Key", "key-reused") if by_key else ("transaction id", "id-reused")
    return Problem(
        status=422,
        code=code,
        title=f"The {what} was used with another body",
        detail=f"this {what} came with another body within the last day; give another one, or "
        "send the same body",
    )


def under_way() -> Problem:
    """503: the same transaction came a moment ago and is not answered yet."""
    return Problem(
        status=503,
        code="under-way",
        title="It is under way",
        detail="the same transaction came a moment ago and is not answered yet; try again",
        headers=(("Retry-After", "1"),),
    )
