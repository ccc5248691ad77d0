"""Around the routes: who calls, and may it do this. What is refused reaches no route."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import unquote_plus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskstream.gateway.answers import answer
from riskstream.gateway.auth.caller import ANYBODY, PUBLIC, Caller, scope_of
from riskstream.gateway.auth.cards import card_number, holds_card_number
from riskstream.gateway.auth.credentials import credential_of
from riskstream.gateway.auth.jwks import LiveKeySet, is_url
from riskstream.gateway.auth.limits import Limits
from riskstream.gateway.auth.live_keys import follow_keys
from riskstream.gateway.auth.problems import missing_scope, no_credentials, too_often
from riskstream.gateway.auth.tls import read_subjects
from riskstream.gateway.auth.tokens import TokenRules, Tokens
from riskstream.gateway.problem import Problem
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.adapters.api_keys import PREFIX
from riskstream.platform.process.process import Process
from riskstream.platform.telemetry.metrics import AccessMetrics, GatewayMetrics
from riskstream.runtime.clock import Clock, SystemClock
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

log = structlog.get_logger("gateway")
_REPEATED = frozenset((b"x-deadline-ms", b"content-type", b"content-encoding"))
"""Headers of which refusals repeat the beginning."""


class Keys(Protocol):
    """Knows API keys."""

    def caller_of(self, key: str, now_ms: int) -> Caller: ...


class Access:
    """Who a credential lets in; for every door, whatever its transport. Raises Problem."""

    def __init__(
        self,
        keys: Keys,
        clock: Clock,
        tokens: Tokens | None = None,
        subjects: Mapping[str, Caller] | None = None,
    ) -> None:
        self._keys, self._clock, self._tokens = keys, clock, tokens
        self._subjects = subjects or {}

    async def caller_of(self, credential: str | None, subject: str | None = None) -> Caller:
        """The caller by a key or token, else by the subject of its certificate."""
        if credential is None:
            found = self._subjects.get(subject) if subject is not None else None
            if found is None:
                raise no_credentials()
            return found
        if self._tokens is None or credential.startswith(PREFIX):
            return self._keys.caller_of(credential, self._clock.now_ms())
        return await self._tokens.caller_of(credential)


@dataclass(frozen=True, slots=True)
class Gate:
    """What lets callers in, at every door: given an ASGI application, it stands around it. Without
    `access` anybody may call.
    """

    access: Access | None
    limits: Limits
    metrics: GatewayMetrics

    def __call__(self, app: ASGIApp) -> "Guard":
        return Guard(app, self.access, self.limits, self.metrics)

    async def caller_of(self, credential: str | None, subject: str | None) -> Caller:
        """Who calls; Problem where nobody is let in by that."""
        if self.access is None:
            return ANYBODY
        return await self.access.caller_of(credential, subject)

    async def take(self, caller: Caller) -> None:
        """Count a request of the caller's; Problem where it has sent too many."""
        allowance = await self.limits.take(caller)
        if allowance is not None and allowance.wait_s:
            raise too_often(allowance)


class Guard:
    """The ASGI application around `app`. Without `access` anybody may call."""

    def __init__(
        self, app: ASGIApp, access: Access | None, limits: Limits, metrics: GatewayMetrics
    ) -> None:
        self._app, self._access, self._limits, self._metrics = app, access, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = []

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].extend(headers)
            await send(message)

        try:
            _check_target(scope)
            caller = await self._caller(scope)
            allowance = await self._limits.take(caller)
            if allowance is not None:
                if allowance.wait_s:
                    raise too_often(allowance)
                headers += [
                    (name.lower().encode(), value.encode()) for name, value in allowance.headers()
                ]
            _check_scope(scope, caller)
        except Problem as problem:
            self._metrics.problems.labels(problem=problem.code).inc()
            await answer(problem)(scope, receive, send_with_limits)
            return
        scope["state"]["caller"] = caller
        scope["state"]["spend"] = partial(self._limits.spend, caller)
        await self._app(scope, receive, send_with_limits if headers else send)

    async def _caller(self, scope: Scope) -> Caller:
        if self._access is None:
            return ANYBODY
        tls = scope.get("extensions", {}).get("tls", {})
        credential = credential_of(scope["headers"])
        return await self._access.caller_of(credential, tls.get("client_cert_name"))


def _check_scope(scope: Scope, caller: Caller) -> None:
    needed = scope_of(scope["method"], scope["path"])
    if needed is not None and needed not in caller.scopes:
        raise missing_scope(needed)


def _check_target(scope: Scope) -> None:
    """Problem where a card number stands in what is repeated in answers, logs or traces."""
    if holds_card_number(scope["path"]):
        raise card_number("the path")
    query = scope["query_string"]
    if query and holds_card_number(unquote_plus(query.decode("latin-1"))):
        raise card_number("the query")
    for name, value in scope["headers"]:
        if name in _REPEATED and holds_card_number(value.decode("latin-1")):
            raise card_number(f"the header {name.decode()}")


def open_guard(settings: GatewaySettings, process: Process, metrics: GatewayMetrics) -> Gate:
    """What lets callers in, by the settings. Retryable where Kafka does not answer."""
    clock, access_metrics = SystemClock(), AccessMetrics()
    limits = _limits(settings, clock, access_metrics)
    if settings.auth == "none":
        log.warning("no key is asked for: anybody who reaches the port may call", auth="none")
        return Gate(None, limits, metrics)
    keys, follower = follow_keys(settings.kafka, access_metrics)
    process.holds(follower.stop)
    tokens = _tokens(settings, process, clock, access_metrics) if settings.jwt_jwks else None
    subjects = read_subjects(settings.tls_subjects) if settings.tls_subjects else {}
    if not len(keys) and tokens is None and not subjects:
        log.warning("there is no API key yet", do="make one with `riskstream keys create`")
    access = Access(keys, clock, tokens, subjects)
    return Gate(access, limits, metrics)


def _limits(settings: GatewaySettings, clock: Clock, metrics: AccessMetrics) -> Limits:
    shared = None
    if settings.redis is not None:
        from riskstream.platform.adapters.redis_buckets import RedisBuckets  # only where asked for

        shared = RedisBuckets(settings.redis.get_secret_value())
    return Limits(clock, metrics, shared, rate_per_s=settings.rate_per_s, burst=settings.rate_burst)


def _tokens(
    settings: GatewaySettings, process: Process, clock: Clock, metrics: AccessMetrics
) -> Tokens:
    """Fatal where the JWK set is a file that cannot be read; one behind a URL may come later."""
    source = LiveKeySet(settings.jwt_jwks, metrics)
    process.holds(source.follow(settings.jwt_refresh_s))
    if not source.is_known and not is_url(settings.jwt_jwks):
        raise Fatal(
            what="the JWK set cannot be read",
            where=settings.jwt_jwks,
            do="give jwt_jwks a file that is one, or a URL",
            exit_code=Exit.INPUT,
        )
    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=tuple(settings.jwt_algorithms.split(",")),
        leeway_s=settings.jwt_leeway_s,
    )
    return Tokens(rules, source, clock)
