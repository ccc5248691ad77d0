"""What a request says around its record: media type, body, deadline. A Problem where it is
wrong.
"""

import re
from collections.abc import Callable

from starlette.requests import Request

from riskstream.gateway.auth.caller import ANYBODY
from riskstream.gateway.once.refusing import checked_key
from riskstream.gateway.problem import Problem, too_large
from riskstream.gateway.settings import GatewaySettings

LEAST_DEADLINE_MS = 20
_JSON = re.compile(r"application/(?:[\w.!#$&^-]+\+)?json|text/json", re.IGNORECASE)


async def read_body(
    request: Request,
    most: int,
    do: str = "send one record",
    count: Callable[[int], None] = lambda _: None,
) -> bytes:
    """The body, if it is JSON by its headers and small enough; nothing more is read of one that is
    not. `count` is told of each part, bytes.
    """
    _check_media(request)
    length = request.headers.get("content-length", "")
    if len(length) > 15 or (length.isdigit() and int(length) > most):
        raise too_large(most, do)
    parts = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large(most, do)
        count(len(part))
        parts.append(part)
    return b"".join(parts)


def deadline_ms_of(request: Request, settings: GatewaySettings) -> int:
    """The caller's deadline, by header before query; the default where there is none."""
    by_query = _given_ms(request.query_params.getlist("deadline_ms"), settings.max_deadline_ms)
    by_header = _given_ms(request.headers.getlist("x-deadline-ms"), settings.max_deadline_ms)
    return by_header or by_query or settings.deadline_ms


def _given_ms(given: list[str], most: int) -> int:
    """0 where nothing is given. One that is wrong is refused, even beside one that counts more."""
    if not given:
        return 0
    text = given[0]
    if len(given) > 1:
        raise bad_deadline(f"deadline_ms is given {len(given)} times", most)
    if (
        len(text) > 9
        or not text.isascii()
        or not text.isdigit()
        or not LEAST_DEADLINE_MS <= int(text) <= most
    ):
        raise bad_deadline(f"deadline_ms is {text[:32]}", most)
    return int(text)


def origin_of(request: Request) -> tuple[str | None, str]:
    """(the Idempotency-Key, None without one; the caller's name)."""
    key = checked_key(request.headers.getlist("idempotency-key"))
    return key, getattr(request.state, "caller", ANYBODY).name


async def spend(request: Request, count: int) -> None:
    """Let the caller pay for so many transactions, where anything limits it: one is paid for."""
    pay = getattr(request.state, "spend", None)
    if pay is not None:
        await pay(count - 1)


def bad_deadline(what: str, most: int) -> Problem:
    return Problem(
        status=400,
        code="bad-deadline",
        title="The deadline is wrong",
        detail=f"{what}; give whole ms once, {LEAST_DEADLINE_MS} to {most}",
    )


def _check_media(request: Request) -> None:
    """No media type is taken as JSON: many small clients send none."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise Problem(
            status=415,
            code="content-encoding",
            title="The body is encoded",
            detail=f"the body is sent as {encoding[:32]}; send it as it is, a record is small",
            headers=(("Accept-Encoding", "identity"),),
        )
    given = request.headers.get("content-type", "application/json")
    kind, *parameters = (part.strip() for part in given.split(";"))
    charset = next(
        (
            each.split("=", 1)[1].strip('" ')
            for each in parameters
            if each.lower().startswith("charset=")
        ),
        "utf-8",
    )
    if not _JSON.fullmatch(kind) or charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(
            status=415,
            code="media-type",
            title="The body is of another media type",
            detail=f"the body is sent as {given[:64]}; send application/json in UTF-8",
            headers=(("Accept", "application/json"),),
        )
