"""The Python client against a gateway's server without Kafka, and against a server that does it
harm.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from tests.support.builders import request
from tests.support.fake_door import FakeHandler, fake_door
from tests.support.guarded import KeyTopic

from riskstream.client import (
    AsyncClient,
    BadAnswer,
    Client,
    ClientError,
    LabelBody,
    NoAnswer,
    Refused,
    TransactionBody,
)
from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.auth.guard import Access
from riskstream.gateway.listening import bound
from riskstream.gateway.serving import http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import SystemClock

KEYS = KeyTopic(CollectorRegistry())
OK = json.dumps({"transaction_id": "t-1", "partition": 0, "offset": 1}).encode()
SMALL = b"HTTP/1.1 %s\r\nContent-Type: application/%s\r\nContent-Length: %d\r\n%s\r\n%s"


def _payment(**changes: Any) -> TransactionBody:
    return cast(TransactionBody, request(**changes))


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[str, FakeHandler]]:
    """URL of a gateway that asks for a key, and its handler."""
    app, handler = fake_door(Access(KEYS.live, SystemClock()))
    listening = bound("127.0.0.1", 0)
    server = http_server(app, GatewaySettings(), GatewayMetrics(CollectorRegistry()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", handler
    server.should_exit = True
    thread.join()


class Hostile:
    """Answers each connection's request with the next of `answers`, then closes it; bytes are sent
    as they are, a number is a pause. `heads` holds what came.
    """

    def __init__(self, *answers: list[bytes | float]) -> None:
        self._answers, self.heads = list(answers), list[bytes]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Hostile":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while self._answers:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                try:
                    self.heads.append(_whole(peer))
                    for each in self._answers.pop(0):
                        if isinstance(each, bytes):
                            peer.sendall(each)
                        else:
                            time.sleep(each)
                except OSError:
                    continue


def _whole(peer: socket.socket) -> bytes:
    """A request with its body."""
    out = b""
    while b"\r\n\r\n" not in out:
        out += peer.recv(65_536) or b"\r\n\r\n"
    head, _, body = out.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    while found and len(body) < int(found[1]):
        body += peer.recv(65_536)
    return head + b"\r\n\r\n" + body


def _said(
    status: bytes, body: bytes, kind: bytes = b"json", more: bytes = b""
) -> list[bytes | float]:
    return [SMALL % (status, kind, len(body), more, body)]


GOOD = _said(b"202 Accepted", OK)


def test_every_call_does_what_it_says(gateway: tuple[str, FakeHandler]) -> None:
    url, handler = gateway
    label = LabelBody(
        label_id="l-1",
        transaction_id="t-1",
        customer_id="c-1",
        outcome="FRAUD",
        source="ANALYST",
        occurred_at=1_717_236_000_000,
    )
    with Client(url, KEYS.make(*SCOPES)) as client:
        found = client.decide(_payment(transaction_id="t-7"), deadline_ms=500, request_id="r-1")
        assert (found.decision, found.rung, found.score) == ("APPROVE", "SCORE", 0.25)
        assert (found.transaction_id, found.is_recorded) == ("t-7", True)
        assert client.accept(_payment()).id == "t-1"
        assert client.label(label).id == "l-1"
        before = len(handler.sender.taken)
        rows = [_payment(transaction_id=f"t-{at}") for at in range(25)]
        rows[13] = _payment(transaction_id="t-13", kind="GIFT")
        items = client.accept_many(rows, most_items=10)
        assert [each.index for each in items] == list(range(25))
        assert [each.index for each in items if not each.is_accepted] == [13]
        problem = items[13].problem
        assert problem is not None
        assert (problem.code, problem.errors[0].path) == ("invalid-field", "$.kind")
        assert len(handler.sender.taken) == before + 24
        with pytest.raises(Refused) as failed:
            client.accept(_payment(kind="GIFT"), request_id="r-2")
        assert (failed.value.code, failed.value.request_id) == ("invalid-field", "r-2")
    with pytest.raises(RuntimeError):
        client.accept(_payment())


def test_both_clients_are_the_same_and_one_serves_many(gateway: tuple[str, FakeHandler]) -> None:
    url, _ = gateway
    keys = iter([KEYS.make(*SCOPES)] * 40)

    async def many() -> set[str]:
        async with AsyncClient(url, lambda: next(keys), connections=4) as client:
            rows = [_payment(transaction_id=f"a-{at}") for at in range(40)]
            found = await asyncio.gather(*(client.decide(each) for each in rows))
            return {each.transaction_id for each in found}

    assert len(asyncio.run(many())) == 40
    names = [name for name in dir(AsyncClient) if not name.startswith("_")]
    assert names == [name for name in dir(Client) if not name.startswith("_")]
    with Client(url, "rsk_wrong") as client, pytest.raises(Refused) as failed:
        client.accept(_payment())
    assert (failed.value.problem.status, failed.value.attempts) == (401, 1)


@pytest.mark.parametrize(
    "harm",
    [
        [],
        [b"HTTP/1.1 202 Acc"],
        [SMALL % (b"202 Accepted", b"json", 500, b"", OK)],
        [b"\x00\x01garbage\r\n\r\n"],
        _said(b"503 Unavailable", b"{}", b"problem+json", b"Retry-After: 0\r\n"),
        _said(b"429 Too Many", b"<html>", b"octet-stream"),
        _said(b"500 Wrong", b"{", b"problem+json"),
    ],
    ids=["closed", "half a head", "half a body", "no HTTP", "503", "429", "500"],
)
def test_what_may_pass_is_sent_again_with_the_same_name(harm: list[bytes | float]) -> None:
    with Hostile(harm, GOOD) as server, Client(server.url) as client:
        assert client.accept(_payment(), traceparent="00-a-b-01").offset == 1
    names = [
        line
        for head in server.heads
        for line in head.split(b"\r\n")
        if line.lower().startswith((b"idempotency-key", b"traceparent"))
    ]
    assert len(names) == 4
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (_said(b"503 Unavailable", b"{}", b"problem+json", b"Retry-After: 3600\r\n"), Refused),
        (_said(b"200 OK", b"<html></html>", b"xhtml+xml"), BadAnswer),
        (_said(b"202 Accepted", b'{"transaction_id": 7}'), BadAnswer),
        (_said(b"202 Accepted", b"[]"), BadAnswer),
        (_said(b"202 Accepted", b"{}", b"json", b"Content-Encoding: gzip\r\n"), BadAnswer),
        (_said(b"400 Bad", b"{}", b"problem+json"), Refused),
        (_said(b"302 Found", b"", b"json", b"Location: http://127.0.0.1:1/\r\n"), Refused),
    ],
    ids=["in an hour", "a page", "other fields", "a list", "not packed", "400", "elsewhere"],
)
def test_what_stays_is_told_at_once(harm: list[bytes | float], kind: type[ClientError]) -> None:
    with Hostile(harm, GOOD) as server, Client(server.url, timeout_s=20) as client:
        with pytest.raises(kind):
            client.accept(_payment())
        assert len(server.heads) == 1


@pytest.mark.parametrize(
    "harm",
    [
        [1.0],
        [*(part for _ in range(40) for part in (b"H", 0.05))],
        [SMALL % (b"202 Accepted", b"json", 99, b"", b""), *([b" ", 0.05] * 40)],
    ],
    ids=["silent", "a slow head", "a slow body"],
)
def test_a_deadline_holds_whatever_the_server_does(harm: list[bytes | float]) -> None:
    with Hostile(harm, []) as server, Client(server.url) as client:
        started = time.monotonic()
        with pytest.raises(NoAnswer):
            client.accept(_payment(), timeout_s=0.3)
        assert time.monotonic() - started < 2.5  # it would take 2 s and more, 10 s by default


def test_a_gateway_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url) as client, pytest.raises(NoAnswer) as failed:
        client.accept(_payment(), timeout_s=0.3)
    assert failed.value.attempts > 1


def _batch(*statuses: int) -> list[bytes | float]:
    place = {"partition": 0, "offset": 1}
    items = [
        {"index": at, "status": each, "transaction_id": f"t-{at}"} | (place if each == 202 else {})
        for at, each in enumerate(statuses)
    ]
    return _said(b"200 OK", json.dumps({"items": items}).encode())


def test_of_many_those_that_kafka_did_not_take_are_sent_again() -> None:
    rows = [_payment(transaction_id=f"t-{at}") for at in range(3)]
    with Hostile(_batch(202, 503, 202), _batch(202)) as server, Client(server.url) as client:
        items = client.accept_many(rows)
    assert [each.is_accepted for each in items] == [True, True, True]
    assert json.loads(server.heads[1].partition(b"\r\n\r\n")[2])[0]["transaction_id"] == "t-1"
    bad = _said(b"403 No", b"{}", b"problem+json")
    with Hostile(_batch(202, 202), bad) as server, Client(server.url) as client:
        items = client.accept_many(rows, most_items=2)
    assert [each.is_accepted for each in items] == [True, True, False]
    assert items[2].problem is not None
    assert items[2].problem.status == 403
    with Hostile(bad) as server, Client(server.url) as client, pytest.raises(Refused):
        client.accept_many(rows)


def test_ctrl_c_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What interrupts the caller reaches the request: its connection is closed."""
    from concurrent.futures import Future

    interrupted: Callable[..., Any] = Future.result
    with Hostile([1.0]) as server, Client(server.url) as client:
        client._started()

        def result(self: Any, timeout: float | None = None) -> Any:
            while not server.heads:
                time.sleep(0.01)
            raise KeyboardInterrupt

        monkeypatch.setattr(Future, "result", result)
        with pytest.raises(KeyboardInterrupt):
            client.accept(_payment())
        monkeypatch.setattr(Future, "result", interrupted)
