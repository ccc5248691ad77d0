"""What an HTTP/2 connection has of the server behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from riskstream.gateway.problem import Problem
from riskstream.gateway.protocol import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """`idle_s`: how long a connection stays open without a request. `on_refused` is told of each
    request that no route saw. `is_draining`: whether connections are to end.
    """

    app: ASGIApp
    app_state: dict[str, Any]
    server: ServerState
    limits: Limits
    idle_s: float
    on_refused: Callable[[Problem], None]
    is_draining: Callable[[], bool]
