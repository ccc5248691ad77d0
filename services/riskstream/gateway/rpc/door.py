"""The service riskstream.v1.Gateway: messages to the handler, what it gives to replies."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc

from riskstream.domain.contracts.proto_model import PACKAGE, SERVICE
from riskstream.gateway.auth.guard import Gate
from riskstream.gateway.handler import Handler
from riskstream.gateway.once.refusing import checked_key
from riskstream.gateway.problem import rejected, too_large
from riskstream.gateway.rates import Rates
from riskstream.gateway.rpc.calls import Call, Calls
from riskstream.gateway.rpc.deadlines import deadline_ms_of
from riskstream.gateway.rpc.reading import read_label, read_query, read_request, read_transaction
from riskstream.gateway.rpc.replies import decision_reply, receipt, told_reply
from riskstream.gateway.rpc.stream import BatchStream, Streams
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.tracing import Tracer

Work = Callable[[bytes, Call], Awaitable[bytes]]
NAME = f"{PACKAGE}.{SERVICE}"


class RpcDoor:
    """The methods over a handler."""

    def __init__(
        self,
        settings: GatewaySettings,
        rates: Rates,
        handler: Handler,
        gate: Gate,
        tracer: Tracer,
    ) -> None:
        self._settings, self._rates, self._handler = settings, rates, handler
        self._calls = Calls(NAME, gate, tracer)
        self._streams = Streams(settings, rates, handler, self._calls)
        self._reading = gate.metrics.stage_seconds.labels("read")

    def end(self) -> None:
        """Streams read no more; what they have read is answered."""
        self._streams.end()

    def handlers(self) -> grpc.GenericRpcHandler:
        """What gRPC is to call: with bytes, for bytes."""
        unary = {
            "Accept": self._unary("Accept", "transactions:write", self._accept),
            "Decide": self._unary("Decide", "decisions:write", self._decide),
            "GetDecision": self._unary("GetDecision", "decisions:read", self._told),
            "SendLabel": self._unary("SendLabel", "labels:write", self._label),
        }
        methods = {name: grpc.unary_unary_rpc_method_handler(each) for name, each in unary.items()}
        methods["AcceptStream"] = grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(NAME, methods)

    def _unary(self, name: str, scope: str, work: Work) -> Callable[[bytes, Any], Awaitable[bytes]]:
        most = self._settings.max_body_bytes

        async def answered(body: bytes, context: Any) -> bytes:
            async with self._calls.call(name, context) as call:
                await self._calls.admit(call, scope)
                if len(body) > most:
                    raise too_large(most)
                return await work(body, call)
            raise AssertionError  # a call that was refused ended with its status

        return answered

    async def _accept(self, body: bytes, call: Call) -> bytes:
        key = _key_of(call)
        with self._reading.time():
            found = read_transaction(body, self._rates, self._handler.clock.now_ms())
        accepted = await self._handler.accept(found, call.trace, key, call.caller.name)
        call.status = 202
        return receipt(accepted[:2], is_replayed=accepted.is_replayed)

    async def _label(self, body: bytes, call: Call) -> bytes:
        with self._reading.time():
            found = read_label(body, self._handler.clock.now_ms(), self._rates.base)
        place = await self._handler.sender.label(found, call.trace)
        call.status = 202
        return receipt(place)

    async def _decide(self, body: bytes, call: Call) -> bytes:
        with self._reading.time():
            now_ms = self._handler.clock.now_ms()
            found, wanted_ms, keys = read_request(body, self._rates, now_ms)
        origin = _key_of(call, keys), call.caller.name
        left_s = call.context.time_remaining()
        deadline_ms = deadline_ms_of(wanted_ms, left_s, self._settings)
        decided = await self._handler.decide(found, deadline_ms, call.started, call.trace, *origin)
        if decided.score is not None and decided.score["verdict"] == "REJECTED":
            raise rejected(decided.score)
        return decision_reply(decided)

    async def _told(self, body: bytes, _: Call) -> bytes:
        return told_reply(await self._handler.told(*read_query(body)))

    async def _stream(self, _: Any, context: Any) -> None:
        async with self._calls.call("AcceptStream", context) as call:
            with self._streams.place():
                await BatchStream(self._streams, call).run()


def _key_of(call: Call, keys: Sequence[str] = ()) -> str | None:
    """The key of a call, by its metadata or by `keys` of its message; Problem where it is given
    twice, or is none.
    """
    return checked_key([*call.headers(b"idempotency-key"), *keys])
