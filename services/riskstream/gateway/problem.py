"""Problem details (RFC 9457): every refusal says what is wrong, where in the body, and what to
do.
"""

from dataclasses import dataclass
from typing import Any

from riskstream.domain.contracts.door import MAX_FAULTS, Fault


@dataclass(eq=False, kw_only=True)
class Problem(Exception):
    """One refusal. `errors` are the parts of the body that are wrong, none where it is not about
    the body.
    """

    status: int
    code: str
    title: str
    detail: str
    errors: tuple[Fault, ...] = ()
    more: tuple[tuple[str, Any], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        """The members of application/problem+json."""
        out = {
            "type": f"urn:riskstream:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **dict(self.more),
        }
        if self.errors:
            out["errors"] = [fault.body() for fault in self.errors]
        return out


def invalid(faults: list[Fault]) -> Problem:
    """400: the body is not what the route takes. The code is the faults' own where they share one,
    else `invalid-body`.
    """
    codes = {fault.code for fault in faults}
    detail = faults[0].detail
    if len(faults) > 1:
        paths = list(dict.fromkeys(fault.path for fault in faults))
        named = ", ".join(paths[:10]) + (", …" if len(paths) > 10 else "")
        detail = f"{len(faults)} things are wrong, see errors: {named}"
    return Problem(
        status=400,
        code=codes.pop() if len(codes) == 1 else "invalid-body",
        title="The body is not valid",
        detail=detail,
        errors=tuple(faults[:MAX_FAULTS]),
    )


def too_large(most: int, do: str = "send one record") -> Problem:
    """413: the body has more bytes than the gateway takes."""
    detail = f"{most} bytes at most; {do}"
    return Problem(
        status=413,
        code="body-too-large",
        title="The body is too large",
        detail=detail,
        errors=(Fault(path="$", code="body-too-large", detail=detail),),
        headers=(("Connection", "close"),),
    )


def busy(detail: str, code: str = "unavailable") -> Problem:
    """503: the same request may be taken in a moment."""
    return Problem(
        status=503,
        code=code,
        title="It was not taken",
        detail=f"{detail}; try again",
        headers=(("Retry-After", "1"),),
    )


def overloaded(why: str) -> Problem:
    """429: no more batches are read now; decisions go before them."""
    return Problem(
        status=429,
        code="overloaded",
        title="Too many batches at a time",
        detail=f"{why}, and decisions go first; try again",
        headers=(("Retry-After", "1"),),
    )


def rejected(score: dict[str, Any]) -> Problem:
    """422: what the scorer's rejection means to the caller."""
    reason = score["reason"]
    more = (("transaction_id", score["transaction_id"]), ("reason", reason))
    if reason == "id_reused":
        detail = (
            "a transaction of this customer had it within the last day; give another id, or "
            "send the same body"
        )
        return Problem(
            status=422,
            code="id-reused",
            title="The transaction id was used with another body",
            detail=detail,
            more=more,
            errors=(Fault(path="$.transaction_id", code="id-reused", detail=detail),),
        )
    detail = f"the reason is {reason}; see docs/rejects.md"
    return Problem(
        status=422,
        code="rejected",
        title="The scorer rejected it",
        detail=detail,
        more=more,
        errors=(Fault(path="$", code="rejected", detail=detail),),
    )


def failed(request_id: str) -> Problem:
    """500: an exception that nobody expected; the log has it under the request's id."""
    return Problem(
        status=500,
        code="internal",
        title="The gateway failed",
        detail="the fault is ours: try again with the same ids, and tell us the request id where "
        "it stays",
        more=(("request_id", request_id),),
    )
