"""A guard around routes that only note who reached them, in place of Kafka."""

from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from riskstream.domain.contracts.codec import codec
from riskstream.gateway.answers import problem_handlers
from riskstream.gateway.auth.guard import Access, Guard
from riskstream.gateway.auth.limits import Limits
from riskstream.gateway.auth.live_keys import LiveKeys
from riskstream.gateway.edge import Edge
from riskstream.platform.adapters.api_keys import digest_of, make_key
from riskstream.platform.adapters.key_records import CONTRACT, KEYS
from riskstream.platform.kafka.record import Record
from riskstream.platform.telemetry.metrics import AccessMetrics, GatewayMetrics
from riskstream.platform.telemetry.tracing import NO_TRACER
from riskstream.runtime.clock import ManualClock
from tests.support.asgi import Answered, ask

PATHS = ("/v1/transactions", "/v1/decisions", "/v1/decisions/{id}", "/v1/labels", "/subjects")


class KeyTopic:
    """api-keys.v1 in memory, and the keys that a gateway has of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.metrics = AccessMetrics(registry)
        self.live = LiveKeys(self.metrics)
        self.written: list[Record] = []
        self._made = 0

    def write(self, key: bytes, value: bytes | None, partition: int = 0) -> None:
        at = len(self.written)
        self.written.append(
            Record(
                topic=KEYS,
                partition=partition,
                offset=at,
                appended_at=1000 + at,
                key=key,
                value=value,
                headers=[],
            )
        )
        self.live.take(self.written[-1])
        self.live.settle()

    def make(self, *scopes: str, **changes: Any) -> str:
        """A key that is in force at once."""
        self._made += 1
        key_id, key = make_key(lambda size: self._made.to_bytes(size, "big"))
        self.write(key_id.encode(), frame_of(key, *scopes, **changes))
        return key


def frame_of(key: str, *scopes: str, **changes: Any) -> bytes:
    """The record of a key."""
    return codec(CONTRACT).encode(
        {
            "key_id": key.split("_")[1],
            "name": "a test",
            "secret_sha256": digest_of(key).hex(),
            "scopes": list(scopes),
            "created_at": 1,
            "expires_at": None,
            "revoked_at": None,
            "changed_by": "",
            "rate_per_s": 0,
            "burst": 0,
            **changes,
        }
    )


class Guarded:
    """`reached` holds the path and the caller's name of each request that a route saw."""

    def __init__(self, rate_per_s: int = 0, burst: int = 0) -> None:
        self.registry = CollectorRegistry()
        self.clock = ManualClock()
        self.keys = KeyTopic(self.registry)
        self.reached: list[tuple[str, str]] = []
        metrics = GatewayMetrics(self.registry)

        async def reach(request: Request) -> Response:
            self.reached.append((request.url.path, request.state.caller.name))
            return JSONResponse({"body": len(await request.body())})

        routes = [Route(path, reach, methods=["POST", "GET"]) for path in PATHS]
        inner = Starlette(routes=routes, exception_handlers=problem_handlers(metrics))
        self.access = Access(self.keys.live, self.clock)
        self.limits = Limits(self.clock, self.keys.metrics, rate_per_s=rate_per_s, burst=burst)
        guard = Guard(inner, self.access, self.limits, metrics)
        self.app = Edge(guard, {}, metrics, NO_TRACER, lambda: False)

    def ask(self, target: str = "/v1/transactions", **given: Any) -> Answered:
        return ask(self.app, target, **given)

    def by(self, key: str, target: str = "/v1/transactions", **given: Any) -> Answered:
        return self.ask(target, headers=[("Authorization", f"Bearer {key}")], **given)
