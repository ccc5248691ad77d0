"""Until when a decision is due: by the request, by the call, or by the settings. Pure."""

from riskstream.gateway.problem import Problem
from riskstream.gateway.reading import LEAST_DEADLINE_MS, bad_deadline
from riskstream.gateway.settings import GatewaySettings

_ON_THE_WAY_MS = 2
"""Of a call's deadline, what its request may have used until it is here."""
_KEPT_SHARE, _MOST_KEPT_MS = 0.1, 5.0
"""Of what is left of a call's deadline, what its reply may use."""
_ROUNDED_FROM_MS, _ROUNDING_MS = 1000.0, 10.0
"""gRPC tells longer deadlines rounded up: the caller's own is shorter by so much at most, up to
10 s.
"""


def deadline_ms_of(wanted_ms: int | None, left_s: float | None, settings: GatewaySettings) -> int:
    """The shorter of the request's deadline and of what is `left_s` of the call's; the default
    where there is neither. Problem where it is too short, or the request's too long.
    """
    most = settings.max_deadline_ms
    if wanted_ms is not None and not LEAST_DEADLINE_MS <= wanted_ms <= most:
        raise bad_deadline(f"deadline_ms is {wanted_ms}", most)
    if left_s is None:
        return settings.deadline_ms if wanted_ms is None else wanted_ms
    left_ms = left_s * 1000
    if left_ms < LEAST_DEADLINE_MS - _ON_THE_WAY_MS:
        raise _too_short(left_ms, most)
    kept_ms = min(_KEPT_SHARE * left_ms, _MOST_KEPT_MS)
    ours_ms = int(left_ms - kept_ms - (_ROUNDING_MS if left_ms > _ROUNDED_FROM_MS else 0))
    return min(ours_ms, most if wanted_ms is None else wanted_ms)


def _too_short(left_ms: float, most: int) -> Problem:
    return bad_deadline(f"{max(left_ms, 0):.0f} ms are left of the call's deadline", most)
