"""Refusals of callers, with the WWW-Authenticate header that says what would be right: RFC 6750."""

from riskstream.gateway.auth.buckets import Allowance
from riskstream.gateway.problem import Problem

_REALM = 'Bearer realm="riskstream"'


def no_credentials() -> Problem:
    """401: nothing says who calls."""
    return Problem(
        status=401,
        code="no-credentials",
        title="Nothing says who calls",
        detail="send an API key or a token as Authorization: Bearer",
        headers=(("WWW-Authenticate", _REALM),),
    )


def bad_credentials(detail: str) -> Problem:
    """401: the key, token or certificate lets nobody in. `detail` repeats nothing of it."""
    return Problem(
        status=401,
        code="bad-credentials",
        title="The key or token is refused",
        detail=detail,
        headers=(
            ("WWW-Authenticate", f'{_REALM}, error="invalid_token", error_description="{detail}"'),
        ),
    )


def missing_scope(needed: str) -> Problem:
    """403: the caller is known, and may not do this."""
    return Problem(
        status=403,
        code="missing-scope",
        title="The caller may not do this",
        detail=f"the scope {needed} is needed",
        more=(("scope", needed),),
        headers=(("WWW-Authenticate", f'{_REALM}, error="insufficient_scope", scope="{needed}"'),),
    )


def too_often(allowance: Allowance) -> Problem:
    """429: the caller has sent as many requests as it may; with when another one may come."""
    after = allowance.retry_after_s
    return Problem(
        status=429,
        code="rate-limited",
        title="Too many requests",
        detail=f"{allowance.rate_per_s} a second may come, and {allowance.burst} at once; "
        f"try again after {after} s",
        more=(("violated-policies", ["default"]),),
        headers=(("Retry-After", str(after)), *allowance.headers()),
    )
