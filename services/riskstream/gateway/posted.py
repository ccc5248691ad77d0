"""The routes that callers wait for, found in a dict: no router and no middleware stands on their
way, which cost as much as to read a transaction. All other requests go on to `app`.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from riskstream.gateway.answers import Handlers
from riskstream.gateway.problem import Problem

Answering = Callable[[Request], Awaitable[Response]]


class Posted:
    """The ASGI application in front of `app`: `routes` are those of POST by their path, `handlers`
    turn their exceptions to answers.
    """

    def __init__(self, routes: dict[str, Answering], app: ASGIApp, handlers: Handlers) -> None:
        self._routes, self._app, self._handlers = routes, app, handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await route(request)
        except (Problem, ClientDisconnect) as known:
            response = await self._handlers[type(known)](request, known)
        except Exception as error:
            response = await self._handlers[Exception](request, error)
            await response(scope, receive, send)
            raise  # to the edge, which logs it
        await response(scope, receive, send)
