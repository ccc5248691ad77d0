"""Why a stream is refused or ended, whatever is in it. Pure."""

from riskstream.gateway.problem import Problem, busy


def too_many_streams(most: int) -> Problem:
    """429: as many streams are open as may be."""
    return Problem(
        status=429,
        code="overloaded",
        title="Too many streams at a time",
        detail=f"{most} streams are open already; try again, or send in one that is open",
        headers=(("Retry-After", "1"),),
    )


def ending() -> Problem:
    """503: this gateway ends; another one may take the rest."""
    return busy("this gateway ends, and told all that it has read", "ending")


def idle(seconds: float) -> Problem:
    """408: nothing came for so long."""
    return _late("idle-stream", f"nothing came for {seconds:g} s; open a stream when there is more")


def slow_reader(seconds: float) -> Problem:
    """408: the caller does not read."""
    return _late("slow-reader", f"receipts were not read for {seconds:g} s; read them as they come")


def _late(code: str, detail: str) -> Problem:
    return Problem(status=408, code=code, title="The stream was ended", detail=detail)
