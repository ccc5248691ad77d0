"""The gRPC door on a real socket: what it takes, and what it refuses with which status."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from grpc_status import rpc_status
from tests.support.builders import request
from tests.support.protos import batch, message, transaction
from tests.support.rpc_server import RunningRpc, method, rpc_running, stream, until

from riskstream.gateway.auth.caller import Caller
from riskstream.gateway.auth.guard import Access
from riskstream.gateway.auth.problems import bad_credentials
from riskstream.gateway.rpc.messages import message_class, numbers_of
from riskstream.runtime.clock import SystemClock

Status, TOLD = grpc.StatusCode, "DecisionReply"
LATE = {
    "rung": "AMOUNT", "decision": "BLOCK", "score": None, "reasons": ["amount"], "flags": [],
    "verdict": None, "model_version": None, "partition": 1, "offset": 2, "elapsed_ms": 1.5,
    "late_score": {"decision": "APPROVE", "score": 0.25, "verdict": None},
}  # fmt: skip
"""What a caller was told, and the score that came after."""
SMALL = {"grpc__http2__bdp_probe": 0, "grpc__http2__lookahead_bytes": 65_536}
"""Of a channel whose windows are soon full."""


class Keys:
    """Knows three keys: `all`, `labels` for labels alone, and `read` to look decisions up."""

    def caller_of(self, key: str, now_ms: int) -> Caller:  # noqa: ARG002  as of live keys
        scopes = {
            "all": ("transactions:write", "decisions:write", "labels:write"),
            "read": ("decisions:read",),
            "labels": ("labels:write",),
        }
        if key not in scopes:
            raise bad_credentials("it is unknown")
        return Caller(name=key, scopes=frozenset(scopes[key]))


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRpc]:
    with rpc_running(grpc_max_streams=2) as found:
        yield found


@pytest.fixture
def channel(running: RunningRpc) -> Iterator[grpc.Channel]:
    running.taken.wait_s, running.taken.is_busy, running.taken.again = 0.0, False, None
    with running.channel() as found:
        yield found


def _now(**changes: Any) -> Any:
    return transaction(request(occurred_at=int(time.time() * 1000), **changes))


def _refused(call: Any, *given: Any, **named: Any) -> tuple[grpc.StatusCode, Any, grpc.RpcError]:
    """(status, the problem in its details, the error)."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*given, timeout=named.pop("timeout", 10), **named)
    return caught.value.code(), _problem(caught.value), caught.value


def _problem(error: Any) -> Any:
    found = rpc_status.from_call(error)
    if found is None:
        return None
    detail: any_pb2.Any = found.details[0]
    assert detail.type_url == "type.googleapis.com/riskstream.v1.Problem"
    assert (found.code, found.message) == (error.code().value[0], error.details())
    return message_class("Problem").FromString(detail.value)


def test_a_transaction_and_a_label_are_taken(running: RunningRpc, channel: grpc.Channel) -> None:
    told = method(channel, "Accept", "Receipt")(_now(transaction_id="t-9"), timeout=10)
    assert (told.partition, told.HasField("problem")) == (3, False)
    label = message("Label", {
        "label_id": "l", "transaction_id": "t-9", "customer_id": "c", "outcome": "FRAUD",
        "source": "ANALYST", "occurred_at": 1_717_236_000_000,
    })  # fmt: skip
    again = method(channel, "SendLabel", "Receipt")(label, timeout=10)
    assert again.offset == told.offset + 1
    names = [getattr(each, "label_id", each.transaction_id) for each in running.taken.records[-2:]]
    assert names == ["t-9", "l"]
    assert running.count("requests_total", route="grpc Accept", status="202") >= 1


@pytest.mark.parametrize(
    ("wanted", "timeout", "expected"),
    [(None, None, 150), (300, None, 300), (4000, 3.0, 2995), (None, 60.0, 5000), (100, 60.0, 100)],
)
def test_the_shorter_deadline_counts(
    running: RunningRpc,
    channel: grpc.Channel,
    wanted: int | None,
    timeout: float | None,
    expected: int,
) -> None:
    asked = message_class("DecisionRequest")(transaction=_now(), deadline_ms=wanted)
    told = method(channel, "Decide", "DecisionReply")(asked, timeout=timeout)
    assert (told.decision, told.rung) == (numbers_of("Decision")["REVIEW"], 3)
    assert (list(told.flags), told.HasField("score")) == (
        ["no_score_in_time", "not_recorded"],
        False,
    )
    assert expected / 2 <= running.taken.deadlines[-1] <= expected


def test_too_short_a_deadline_is_refused(channel: grpc.Channel) -> None:
    decide = method(channel, "Decide", "DecisionReply")
    for deadline in (19, 5001, -1):
        asked = message_class("DecisionRequest")(transaction=_now(), deadline_ms=deadline)
        code, problem, _ = _refused(decide, asked)
        assert (code, problem.code) == (Status.INVALID_ARGUMENT, "bad-deadline")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"\xff\xff\xff", Status.INVALID_ARGUMENT, "malformed-message"),
        (b"", Status.INVALID_ARGUMENT, "missing-field"),
        (b"\x0a\x02\xff\xfe", Status.INVALID_ARGUMENT, "malformed-message"),
        (_now(mcc=-1), Status.INVALID_ARGUMENT, "invalid-field"),
        (_now(currency="ZZZ"), Status.INVALID_ARGUMENT, "unknown-currency"),
        (_now(device_id="4111 1111 1111 1111"), Status.FAILED_PRECONDITION, "card-number"),
        (b"x" * 70_000, Status.RESOURCE_EXHAUSTED, "body-too-large"),
    ],
)
def test_what_is_wrong_is_told_in_the_status(
    channel: grpc.Channel, raw: Any, status: grpc.StatusCode, code: str
) -> None:
    found, problem, error = _refused(method(channel, "Accept", "Receipt"), raw)
    assert (found, problem.code, len(problem.errors) > 0) == (status, code, True)
    assert "4111" not in str(error) + str(problem)


def test_a_key_is_the_calls_and_a_repeat_says_so(
    running: RunningRpc, channel: grpc.Channel
) -> None:
    accept, decide = method(channel, "Accept", "Receipt"), method(channel, "Decide", TOLD)
    key, asked = [("idempotency-key", "k-1")], message_class("DecisionRequest")(transaction=_now())
    assert not accept(_now(), timeout=9, metadata=key).replayed
    assert not decide(asked, timeout=9, metadata=key).replayed
    asked.idempotency_key = "k-2"
    decide(asked, timeout=9)
    anybody = [(each, "anybody") for each in ("k-1", "k-1", "k-2")]
    assert running.taken.origins[-3:] == anybody
    before = len(running.taken.origins)
    for call, body, metadata in (
        (decide, asked, key),
        (accept, _now(), [*key, *key]),
        (accept, _now(), [("idempotency-key", "k 1")]),
        (accept, _now(), [("idempotency-key", "k" * 256)]),
    ):
        code, problem, _ = _refused(call, body, metadata=metadata)
        assert (code, problem.code) == (Status.INVALID_ARGUMENT, "bad-idempotency-key")
    assert len(running.taken.origins) == before
    running.taken.again = LATE
    assert accept(_now(), timeout=9).replayed
    told = decide(message_class("DecisionRequest")(transaction=_now()), timeout=9)
    assert (told.replayed, told.decision) == (True, numbers_of("Decision")["BLOCK"])


def test_a_decision_is_looked_up(running: RunningRpc, channel: grpc.Channel) -> None:
    query = message_class("DecisionQuery")(transaction_id="t-1", customer_id="c-1")
    look_up = method(channel, "GetDecision", TOLD)
    code, problem, _ = _refused(look_up, query)
    assert (code, problem.code) == (Status.NOT_FOUND, "unknown-decision")
    running.taken.again = LATE
    told = look_up(query, timeout=9)
    assert (told.transaction_id, told.replayed, told.HasField("score")) == ("t-1/c-1", False, False)
    late = told.late_score
    assert (late.decision, late.HasField("verdict")) == (numbers_of("Decision")["APPROVE"], False)
    assert late.score == 0.25


def test_a_long_list_of_faults_fits_the_callers_metadata(channel: grpc.Channel) -> None:
    raw = b"".join(b"%c\x06\x01" % (128 | (number % 16) << 3) for number in range(16))
    raw += b"\x0a\x00" + b"\x62\x00\x7a\x00\x6a\x00"
    code, problem, error = _refused(method(channel, "Accept", "Receipt"), raw)
    assert (code, problem.code) == (Status.INVALID_ARGUMENT, "invalid-body")
    size = sum(len(value) for _, value in error.trailing_metadata())
    assert len(problem.errors) > 8
    assert size < 6000


def test_busy_and_broken_are_told_apart(running: RunningRpc, channel: grpc.Channel) -> None:
    accept = method(channel, "Accept", "Receipt")
    running.taken.is_busy = True
    code, problem, error = _refused(accept, _now())
    assert (code, problem.retry_after_ms) == (Status.UNAVAILABLE, 1000)
    assert rpc_status.from_call(error).details[1].type_url.endswith("google.rpc.RetryInfo")
    running.taken.is_busy = False
    code, problem, error = _refused(accept, _now(customer_id="boom"))
    assert (code, problem.code) == (Status.INTERNAL, "internal")
    assert "fault of ours" not in str(error)
    code, problem, _ = _refused(method(channel, "Nothing", "Receipt"), b"")
    assert (code, problem) == (Status.UNIMPLEMENTED, None)


def test_a_bad_traceparent_and_binary_metadata_change_nothing(channel: grpc.Channel) -> None:
    accept = method(channel, "Accept", "Receipt")
    given = [("traceparent", "00-zz"), ("x-request-id", "a b"), ("extra-bin", b"\xff\x00")]
    _, call = accept.with_call(_now(), timeout=10, metadata=given)
    assert call.code() == Status.OK
    code, _, error = _refused(accept, b"", metadata=[("x-request-id", "mine-7")])
    assert dict(error.trailing_metadata())["x-request-id"] == "mine-7"
    code, _, _ = _refused(accept, _now(), metadata=[("big", "x" * 40_000)])
    assert code == Status.RESOURCE_EXHAUSTED


def test_a_stream_tells_each_transaction_in_order(
    running: RunningRpc, channel: grpc.Channel
) -> None:
    before = len(running.taken.frames)
    batches = [
        batch(7, [request(occurred_at=int(time.time() * 1000))] * 600),
        batch(-8, [request(mcc=-1), request(terminal_id="\u00e9")]),
        b"\x08\x09\x1a\x00",
        batch(10, [request()]),
    ]
    told = list(stream(channel)(iter(batches), timeout=20))
    assert [each.sequence for each in told] == [7, -8, 9, 10]
    assert [(each.accepted, each.refused) for each in told] == [(600, 0), (1, 1), (0, 0), (1, 0)]
    assert told[0].receipts[599].offset == 599
    assert told[1].receipts[0].problem.code == "invalid-field"
    assert told[2].problem.code == "malformed-message"
    assert len(running.taken.frames) == before + 602


def test_a_caller_that_does_not_read_is_not_read_from(
    running: RunningRpc, channel: grpc.Channel
) -> None:
    running.taken.wait_s = 3600.0
    sent = []

    def endless() -> Iterator[Any]:
        while True:
            sent.append(1)
            yield batch(len(sent), [request()] * 900)

    call = stream(channel)(endless(), timeout=30)
    until(lambda: len(sent) > 4)
    last = 0
    while len(sent) > last:  # four are under way, and as many as fit the windows of HTTP/2
        last = len(sent)
        assert last < 1000
        time.sleep(0.3)
    call.cancel()
    until(lambda: running.count("requests_total", route="grpc AcceptStream", status="499") >= 1)


def test_streams_have_places(running: RunningRpc, channel: grpc.Channel) -> None:
    def held() -> Iterator[Any]:
        yield batch(1, [request()])
        time.sleep(1.0)

    open_ones = [stream(channel)(held(), timeout=20) for _ in range(2)]
    assert [next(each).sequence for each in open_ones] == [1, 1]
    code, problem, _ = _refused(
        lambda *given, **named: list(stream(channel)(*given, **named)), iter([])
    )
    assert (code, problem.code) == (Status.RESOURCE_EXHAUSTED, "overloaded")
    assert [list(each) for each in open_ones] == [[], []]


def test_a_message_over_the_limit_ends_the_call_alone(channel: grpc.Channel) -> None:
    accept = method(channel, "Accept", "Receipt")
    code, _, _ = _refused(accept, b"x" * 5_000_000)
    assert code == Status.RESOURCE_EXHAUSTED
    code, _, _ = _refused(
        lambda *given, **named: list(stream(channel)(*given, **named)), iter([b"x" * 5_000_000])
    )
    assert code == Status.RESOURCE_EXHAUSTED
    assert accept(_now(), timeout=10).partition == 3


def test_calls_that_are_cancelled_at_once_hold_nobody_up(
    running: RunningRpc, channel: grpc.Channel
) -> None:
    running.taken.wait_s = 30.0
    decide = method(channel, "Decide", "DecisionReply")
    asked = message_class("DecisionRequest")(transaction=_now())
    for _ in range(500):
        decide.future(asked, timeout=20).cancel()
    running.taken.wait_s = 0.0
    assert decide(asked, timeout=10).rung == 3
    assert running.count("problems_total", problem="internal") <= 1


def test_raw_bytes_on_the_port_hold_nobody_up(running: RunningRpc, channel: grpc.Channel) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    for raw in (b"GET / HTTP/1.1\r\n\r\n", preface + b"\x00\x00\xff\x00", preface + b"\xff" * 64):
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as peer:
            peer.sendall(raw)
    assert method(channel, "Accept", "Receipt")(_now(), timeout=10).partition == 3


def test_health_is_told_to_anybody(running: RunningRpc, channel: grpc.Channel) -> None:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert (
        check(b"", timeout=5) == check(b"\x0a\x15riskstream.v1.Gateway", timeout=5) == b"\x08\x01"
    )
    assert _refused(check, b"\x0a\x05other")[0] == Status.NOT_FOUND
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
    assert next(watch) == b"\x08\x01"
    running.is_ready = False
    assert next(watch) == b"\x08\x02"
    watch.cancel()
    running.is_ready = True


def test_who_may_call_is_asked_at_each_method() -> None:
    with rpc_running(Access(Keys(), SystemClock()), rate_per_s=2, rate_burst=4) as found:
        with found.channel() as channel:
            accept = method(channel, "Accept", "Receipt")
            for given, code, problem in (
                ([], Status.UNAUTHENTICATED, "no-credentials"),
                ([("x-api-key", "no")], Status.UNAUTHENTICATED, "bad-credentials"),
                ([("x-api-key", "labels")], Status.PERMISSION_DENIED, "missing-scope"),
                ([("x-api-key", "read")], Status.PERMISSION_DENIED, "missing-scope"),
                ([("authorization", "Basic all")], Status.UNAUTHENTICATED, "bad-credentials"),
            ):
                told = _refused(accept, _now(), metadata=given)
                assert (told[0], told[1].code) == (code, problem)
                told = _refused(
                    lambda *given, **named: list(stream(channel)(*given, **named)),
                    iter([batch(1, [request()])]),
                    metadata=given,
                )
                assert (told[0], told[1].code) == (code, problem)
            assert not found.taken.records
            assert not found.taken.frames
            key = [("authorization", "Bearer all")]
            codes = []
            for _ in range(8):
                try:
                    accept(_now(), timeout=10, metadata=key)
                    codes.append(Status.OK)
                except grpc.RpcError as error:
                    codes.append(error.code())
            assert set(codes) == {Status.OK, Status.RESOURCE_EXHAUSTED}
            assert set(found.taken.origins) == {(None, "all")}
            query = message_class("DecisionQuery")(transaction_id="t-1")
            look_up = method(channel, "GetDecision", TOLD)
            for name, code in (("labels", "missing-scope"), ("read", "unknown-decision")):
                _, problem, _ = _refused(look_up, query, metadata=[("x-api-key", name)])
                assert problem.code == code
            kept = list(stream(channel)(iter([batch(1, [request()])] * 2), timeout=9, metadata=key))
            assert kept[0].problem.code == "rate-limited"
            assert kept[0].problem.retry_after_ms >= 1000


def test_idle_and_ended_streams_are_told_why() -> None:
    with (
        rpc_running(grpc_idle_timeout_s=1, receive_timeout_s=0.5) as found,
        found.channel(**SMALL) as channel,
    ):
        done: list[int] = []

        def waiting() -> Iterator[Any]:
            yield batch(1, [request()])
            until(lambda: done, 20)

        call = stream(channel)(waiting(), timeout=20)
        assert next(call).sequence == 1
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert _problem(caught.value).code == "idle-stream"
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
        done.append(1)

        def endless() -> Iterator[Any]:
            while not found.count("requests_total", route="grpc AcceptStream", status="408") > 1:
                yield batch(1, [request(mcc=-1)] * 300)

        call = stream(channel)(endless(), timeout=20)
        until(lambda: found.count("problems_total", problem="slow-reader") == 1)
        with pytest.raises(grpc.RpcError) as caught:
            list(call)
        assert _problem(caught.value).code == "slow-reader"
        frames = len(found.taken.frames)
        assert next(stream(channel)(iter([batch(2, [request()])]), timeout=9)).accepted == 1
        assert len(found.taken.frames) == frames + 1


def test_a_server_that_ends_tells_what_it_has_read() -> None:
    done: list[int] = []

    def waiting() -> Iterator[Any]:
        yield batch(1, [request()])
        until(lambda: done, 20)

    with rpc_running() as found:
        channel = found.channel()
        call = stream(channel)(waiting(), timeout=20)
        assert next(call).accepted == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert (caught.value.code(), _problem(caught.value).code) == (Status.UNAVAILABLE, "ending")
    done.append(1)
    channel.close()


def test_batches_wait_while_decisions_would_be_late() -> None:
    with rpc_running() as found, found.channel() as channel:
        pressure = found.taken.pressure
        pressure.decides()
        pressure.see(1.0)
        assert pressure.rate < 1000
        pressure.spend(5_000)
        told = list(stream(channel)(iter([batch(1, [request()])]), timeout=20))
        assert [each.problem.code for each in told] == ["overloaded"]
        assert found.taken.frames == []
        pressure._debt = 0.0
        assert next(stream(channel)(iter([batch(2, [request()])]), timeout=9)).accepted == 1


def test_connections_have_a_limit_and_messages_are_sent_as_they_are() -> None:
    with rpc_running(max_connections=2) as found:
        own = {"grpc__use_local_subchannel_pool": 1}
        channels = [found.channel(**own) for _ in range(3)]
        for each in channels[:2]:
            method(each, "Accept", "Receipt")(_now(), timeout=9)
        code, _, _ = _refused(method(channels[2], "Accept", "Receipt"), _now(), timeout=2)
        assert code == Status.UNAVAILABLE
        gzip, body = grpc.Compression.Gzip, _now(merchant_id="m" * 256)
        code, _, _ = _refused(method(channels[0], "Accept", "Receipt"), body, compression=gzip)
        assert code == Status.UNIMPLEMENTED
        assert method(channels[1], "Accept", "Receipt")(_now(), timeout=9).partition == 3
        for each in channels:
            each.close()


def test_a_batch_costs_a_request_for_each_transaction() -> None:
    with rpc_running(rate_per_s=1, rate_burst=5) as found, found.channel() as channel:
        batches = [batch(1, [request()] * 8), batch(2, [request()])]
        told = list(stream(channel)(iter(batches), timeout=9))
        assert [each.accepted for each in told] == [8, 0]
        assert told[1].problem.code == "rate-limited"
        assert told[1].problem.retry_after_ms > 2000
