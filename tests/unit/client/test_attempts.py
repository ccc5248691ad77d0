"""When the client sends again, and how it cuts many transactions into bodies."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import request, transaction

from riskstream.client.attempts import Answered, Attempts, Pause
from riskstream.client.errors import BadAnswer, NoAnswer, Refused
from riskstream.client.requests import Request, bodies_of, body_of
from riskstream.domain.contracts.records import Transaction
from riskstream.runtime.clock import ManualClock


def _attempts(clock: ManualClock, timeout_s: float = 1.0, deadline_ms: int = 0) -> Attempts:
    asked = Request(method="POST", path="/", timeout_s=timeout_s, deadline_ms=deadline_ms)
    return Attempts(request=asked, clock=clock.monotonic, chance=lambda: 1.0)


def _answer(status: int, body: bytes = b"{}", kind: str = "", **headers: str) -> Answered:
    usual = "application/json" if status < 300 else "application/problem+json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(status=status, headers={"content-type": kind or usual, **named}, body=body)


def test_pauses_grow_and_no_attempt_begins_after_the_end() -> None:
    clock = ManualClock()
    attempts, pauses = _attempts(clock), list[float]()

    def fail_for_ever() -> None:
        while True:
            attempts.headers()
            pauses.append(attempts.lost(ConnectionError("gone")).seconds)
            clock.advance(round(pauses[-1] * 1000))

    with pytest.raises(NoAnswer) as failed:
        fail_for_ever()
    assert pauses == [0.05, 0.1, 0.2, 0.4]
    assert failed.value.attempts == 5
    clock.advance(1000)
    with pytest.raises(NoAnswer):
        attempts.headers()


def test_it_waits_as_long_as_the_gateway_says_and_not_in_vain() -> None:
    attempts = _attempts(ManualClock(), timeout_s=3)
    attempts.headers()
    assert attempts.read(_answer(503, retry_after="2")) == Pause(2.05)
    with pytest.raises(Refused) as failed:
        attempts.read(_answer(503, retry_after="3600"))
    assert (failed.value.retry_after_s, failed.value.attempts) == (3600, 1)
    # a date, a fraction, a lie: its own pause
    for told in ("Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "9" * 40, "²"):
        assert attempts.read(_answer(429, retry_after=told)) == Pause(0.05)


def test_a_refusal_is_told_at_once_with_all_that_it_says() -> None:
    told = {
        "type": "urn:riskstream:problem:invalid-field",
        "detail": "it is wrong",
        "errors": [{"path": "$.kind", "code": "invalid-field", "detail": "wrong"}, 7],
    }
    attempts = _attempts(ManualClock())
    attempts.headers()
    with pytest.raises(Refused) as failed:
        attempts.read(_answer(400, json.dumps(told).encode(), x_request_id="r-1"))
    found = failed.value
    assert (found.code, found.detail, found.request_id) == ("invalid-field", "it is wrong", "r-1")
    assert [(each.path, each.allowed) for each in found.faults] == [("$.kind", "")]
    for body in (b"<html>", b"[" * 100_000, b"[]", b'{"errors": 3, "type": null}'):
        with pytest.raises(Refused) as failed:
            attempts.read(_answer(404, body))
        assert failed.value.problem.status == 404


@pytest.mark.parametrize(
    "answer",
    [
        _answer(200, b'{"a": '),
        _answer(200, b""),
        _answer(200, b"\xff"),
        _answer(200, kind="text/html"),
        _answer(204, kind="x"),
    ],
)
def test_what_is_no_answer_of_a_gateway_is_told_as_such(answer: Answered) -> None:
    attempts = _attempts(ManualClock())
    attempts.headers()
    with pytest.raises(BadAnswer):
        attempts.read(answer)


def test_a_decision_is_asked_for_within_what_is_left() -> None:
    clock = ManualClock()
    attempts = _attempts(clock, timeout_s=1, deadline_ms=500)
    told = []
    for pause_ms in (0, 700, 290):
        clock.advance(pause_ms)
        told.append(int(attempts.headers()["X-Deadline-Ms"]))
    assert told[0] == 500
    assert 299 <= told[1] <= 300
    assert told[2] == 20


@given(
    sizes=st.lists(st.integers(0, 300), max_size=30),
    most_items=st.integers(1, 7),
    most_bytes=st.integers(1, 900),
)
def test_bodies_hold_all_in_order_and_none_is_too_large(
    sizes: list[int], most_items: int, most_bytes: int
) -> None:
    rows = [request(transaction_id="x" * size) for size in sizes]
    parts = list(bodies_of(rows, most_items, most_bytes))
    assert [each for *_, body in parts for each in json.loads(body)] == rows
    for first, end, body in parts:
        assert json.loads(body) == rows[first:end]
        assert end - first <= most_items
        assert len(body) <= most_bytes or end - first == 1


def test_a_record_is_sent_without_what_is_none() -> None:
    found = json.loads(body_of(Transaction(**transaction(terminal_id=None))))
    assert "terminal_id" not in found
    assert found["amount_minor"] == 1000
    assert body_of({"a": "\u20ac", "b": None}) == '{"a":"€"}'.encode()


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, threading, riskstream.client as client;"
        "client.Client('http://127.0.0.1:1').close();"
        "heavy = {'numba', 'numpy', 'confluent_kafka', 'starlette', 'pydantic', 'fastavro'};"
        "assert not heavy & set(sys.modules) and threading.active_count() == 1"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
