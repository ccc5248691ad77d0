"""What anybody may read without a key: the description of the routes, and a page to try them.

The page is our own: it asks no other host, and works under the policy that it is sent with.
"""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from riskstream.gateway.auth.caller import PUBLIC

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MEDIA = {
    "json": "application/json",
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
}


def routes() -> list[Route]:
    """Routes of the pages, whose bytes are read here, once."""
    return [_route(path, name) for path, name in PUBLIC.items()]


def _route(path: str, name: str) -> Route:
    page = files("riskstream.gateway").joinpath("pages", name).read_bytes()
    media = _MEDIA[name.rpartition(".")[2]]

    async def read(_: Request) -> Response:
        return Response(page, headers=_HEADERS, media_type=media)

    return Route(path, read)
