"""One HTTP/2 connection without a socket: what it answers, and what it does not put up with."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from tests.support.http2_peer import frame
from tests.support.http2_wire import Wire

from riskstream.gateway.http2.protocol import OVERHEAD, RESETS

Case = Callable[[], Coroutine[Any, Any, None]]
END_HEADERS, END_STREAM, ACK = 0x4, 0x1, 0x1
SOON_S = 0.15


def in_a_loop(case: Case) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(case())

    test.__name__, test.__doc__ = case.__name__, case.__doc__
    return test


@in_a_loop
async def test_requests_of_one_connection_are_answered_as_they_are_ready() -> None:
    wire = Wire()
    slow, quick = wire.peer.ask("/slow", b"1"), wire.peer.ask("/echo?a=%20", b"22")
    got = (await wire.turn()).got
    assert (got.status, got.body) == ({quick: 200}, {quick: b"2"})
    wire.released.set()
    await wire.turn()
    assert got.body[slow] == b"1"
    assert got.ended == {slow, quick}
    scope = wire.seen[1]
    assert (scope["http_version"], scope["method"]) == ("2", "POST")
    assert (scope["path"], scope["query_string"]) == ("/echo", b"a=%20")
    assert (b"host", b"a") in scope["headers"]


@in_a_loop
async def test_a_body_larger_than_the_window_arrives_and_so_does_a_large_answer() -> None:
    wire = Wire(window=20_000)
    number = wire.peer.ask("/echo", None, is_whole=False)
    for at in range(9):
        wire.peer.conn.send_data(number, b"x" * 10_000, end_stream=at == 8)
        await wire.turn()
    assert wire.peer.got.body[number] == b"90000"
    big = wire.peer.ask("/big", None, method="GET")
    await wire.until(lambda: big in wire.peer.got.ended)
    assert len(wire.peer.got.body[big]) == 2**20


@in_a_loop
async def test_the_head_of_an_answer_has_no_body_and_100_comes_before_the_body() -> None:
    wire = Wire()
    head = wire.peer.ask("/echo", None, method="HEAD")
    number = wire.peer.ask("/echo", None, ("expect", "100-continue"), is_whole=False)
    got = (await wire.turn()).got
    assert got.ended == {head}
    assert head not in got.body
    assert got.words == [number]
    wire.peer.conn.send_data(number, b"123", end_stream=True)
    assert (await wire.turn()).got.body[number] == b"3"


@in_a_loop
async def test_requests_over_the_limit_are_refused_alone_also_behind_resets() -> None:
    wire = Wire(max_streams=4)
    await wire.turn()
    for _ in range(4):
        wire.peer.conn.reset_stream(wire.peer.ask("/slow"))
    one_more = wire.peer.ask("/echo")
    got = (await wire.turn()).got
    assert got.resets == {one_more: ErrorCodes.REFUSED_STREAM}
    wire.released.set()
    await wire.turn()
    again = wire.peer.ask("/echo")
    assert (await wire.turn()).got.body[again] == b"2"


@pytest.mark.parametrize(
    "one",
    [
        frame(6, payload=b"12345678"),
        frame(6, ACK, payload=b"12345678"),
        frame(4, payload=b"\0\4\0\0\xff\xff"),
        frame(4),
        frame(8, payload=b"\0\0\0\1"),
        frame(2, 0, 3, b"\0\0\0\0\0"),
        frame(0x77, 0, 0, b"anything"),
        frame(0, 0, 1),
        frame(0, 0, 1, b"x"),
    ],
)
def test_a_flood_of_frames_for_nothing_ends_the_connection(one: bytes) -> None:
    async def case() -> None:
        wire = Wire()
        first = wire.peer.ask("/slow", None, is_whole=False)
        await wire.turn()
        await wire.turn(one * (OVERHEAD - 50), times=1)
        assert not wire.is_over
        await wire.turn(one * 200, times=1)
        assert wire.is_over
        assert wire.peer.got.goaways == [(first, ErrorCodes.ENHANCE_YOUR_CALM)]
        assert wire.peer.got.problem["type"] == "urn:riskstream:problem:too-many-frames"
        assert [each.code for each in wire.refused] == ["too-many-frames"]
        assert wire.left == ["/slow"]

    asyncio.run(case())


@in_a_loop
async def test_requests_that_are_taken_back_at_once_end_the_connection() -> None:
    wire = Wire(max_streams=1000)
    for count in (RESETS - 10, 50):
        assert not wire.is_over
        for _ in range(count):
            wire.peer.conn.reset_stream(wire.peer.ask("/slow", None, is_whole=False))
        await wire.turn()
    assert wire.is_over
    assert wire.peer.got.goaways[0][1] == ErrorCodes.ENHANCE_YOUR_CALM
    assert len(wire.server.tasks) == 0


@in_a_loop
async def test_a_route_is_told_that_its_request_was_taken_back() -> None:
    wire = Wire()
    number = wire.peer.ask("/slow", None, is_whole=False)
    await wire.turn()
    wire.peer.conn.reset_stream(number)
    await wire.turn()
    assert wire.left == ["/slow"]
    assert not wire.server.tasks
    assert not wire.is_over


@in_a_loop
async def test_a_busy_peers_windows_and_pings_are_no_flood() -> None:
    wire = Wire()
    window = frame(8, payload=b"\0\0\0\1")
    for _ in range(OVERHEAD // 5):
        number = wire.peer.ask("/echo")
        assert (await wire.turn(window * 8, times=2)).got.body[number] == b"2"
    assert not wire.is_over


@pytest.mark.parametrize(
    ("frames", "code", "problem"),
    [
        # headers that go on for ever, over the limit
        (
            frame(1, 0, 1, b"x" * 4000) + frame(9, 0, 1, b"x" * 4000) * 3,
            ErrorCodes.ENHANCE_YOUR_CALM,
            "headers-too-large",
        ),
        (frame(1, 0, 1) + frame(9, 0, 1) * 70, ErrorCodes.PROTOCOL_ERROR, "malformed-request"),
        (b"\xff\xff\xff\0\0\0\0\0\1", ErrorCodes.FRAME_SIZE_ERROR, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ErrorCodes.FRAME_SIZE_ERROR, "malformed-request"),
        (frame(0, 0, 5, b"x" * 80), ErrorCodes.PROTOCOL_ERROR, "malformed-request"),
        (frame(8, payload=b"\0\0\0\0"), ErrorCodes.PROTOCOL_ERROR, "malformed-request"),
        (frame(8, payload=b"\x7f\xff\xff\xff"), ErrorCodes.FLOW_CONTROL_ERROR, "malformed-request"),
        (frame(1, END_HEADERS, 1, b"\xff" * 9), ErrorCodes.PROTOCOL_ERROR, "malformed-request"),
        (frame(5, END_HEADERS, 1, b"\0\0\0\2"), ErrorCodes.PROTOCOL_ERROR, "malformed-request"),
    ],
)
def test_frames_that_break_the_protocol_end_the_connection_with_a_problem(
    frames: bytes, code: int, problem: str
) -> None:
    async def case() -> None:
        wire = Wire()
        good = wire.peer.ask("/echo")
        await wire.turn()
        await wire.turn(frames)
        assert wire.is_over
        assert wire.peer.got.body[good] == b"2"
        assert [each[1] for each in wire.peer.got.goaways] == [code]
        assert wire.peer.got.problem["type"] == f"urn:riskstream:problem:{problem}"

    asyncio.run(case())


@pytest.mark.parametrize(
    "headers",
    [
        [("Upper", "x")],
        [("x", "a\r\nb: c")],
        [("x", "a\0b")],
        [("x\n", "a")],
        [("connection", "keep-alive")],
        [("transfer-encoding", "chunked")],
        [("te", "gzip")],
        [(":path", "/again")],
        [(":status", "200")],
        [("content-length", "7")],
        [("host", "another")],
    ],
)
def test_headers_that_http_2_forbids_reach_no_route(headers: list[tuple[str, str]]) -> None:
    async def case() -> None:
        wire = Wire()
        wire.peer.ask("/echo", b"{}", *headers)
        await wire.turn()
        assert wire.is_over
        assert wire.peer.got.problem["type"] == "urn:riskstream:problem:malformed-request"
        assert len(wire.server.tasks) == 0

    asyncio.run(case())


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/echo", [("x", "y" * 3000)], 431),
        ("/echo", [(f"x{number}", "y") for number in range(100)], 431),
        ("/" + "x" * 3000, [], 414),
        ("echo", [], 400),
        ("/\xff", [], 400),
    ],
)
def test_a_head_that_cannot_be_taken_is_its_streams_problem_alone(
    path: str, more: list[tuple[str, str]], status: int
) -> None:
    async def case() -> None:
        wire = Wire()
        bad, good = wire.peer.ask(path, b"{}", *more), wire.peer.ask("/echo")
        got = (await wire.turn()).got
        assert (got.status, got.body[good]) == ({bad: status, good: 200}, b"2")
        assert got.headers[bad]["content-type"] == "application/problem+json"
        assert not wire.is_over
        assert len(wire.seen) == 1

    asyncio.run(case())


@in_a_loop
async def test_a_body_over_the_limit_is_answered_before_its_end() -> None:
    wire = Wire()
    number = wire.peer.ask("/slow", None, is_whole=False)
    for _ in range(11):
        if number in wire.peer.got.status:
            break
        wire.peer.conn.send_data(number, b"x" * 10_000)
        await wire.turn()
    got = wire.peer.got
    assert (got.status[number], got.resets) == (413, {number: ErrorCodes.NO_ERROR})
    good = wire.peer.ask("/echo")
    assert (await wire.turn()).got.body[good] == b"2"


@in_a_loop
async def test_what_does_not_arrive_in_time_is_ended_a_stream_alone() -> None:
    wire = Wire(receive_s=SOON_S)
    slow = wire.peer.ask("/echo", b"x", is_whole=False)
    await wire.until(lambda: slow in wire.peer.got.ended)
    assert wire.peer.got.status[slow] == 408
    assert wire.left == ["/echo"]
    await wire.turn(frame(1, 0, 3, b"x"))
    for _ in range(9):
        await asyncio.sleep(SOON_S / 6)
        if not wire.is_over:  # bytes now and then are no new time
            await wire.turn(frame(9, 0, 3, b"x"), times=1)
    await wire.turn()
    assert wire.is_over
    assert wire.peer.got.problem["type"] == "urn:riskstream:problem:slow-request"


@in_a_loop
async def test_a_peer_that_opens_no_window_is_reset_and_holds_nothing() -> None:
    wire = Wire(window=0, receive_s=SOON_S)
    stuck = wire.peer.ask("/big", None, method="GET")
    await wire.turn()
    assert len(wire.server.tasks) == 1
    await wire.until(lambda: stuck in wire.peer.got.resets)
    await wire.turn()
    assert len(wire.server.tasks) == 0
    assert len(wire.transport.written) < 1000


@in_a_loop
async def test_a_peer_that_does_not_read_is_not_read_from_and_then_cut() -> None:
    wire = Wire(receive_s=SOON_S)
    await wire.turn()
    wire.protocol.pause_writing()
    assert wire.transport.is_paused
    number = wire.peer.ask("/echo")
    assert number not in (await wire.turn()).got.body
    wire.protocol.resume_writing()
    assert not wire.transport.is_paused
    assert (await wire.turn()).got.body[number] == b"2"
    wire.protocol.pause_writing()
    async with asyncio.timeout(5):
        while not wire.transport.is_closed:
            await asyncio.sleep(0.01)
    wire.protocol.connection_lost(None)


@in_a_loop
async def test_an_idle_connection_is_told_and_ended() -> None:
    for is_used in (False, True):
        wire = Wire(idle_s=0.05, receive_s=60 if is_used else 0.05)
        if is_used:
            wire.peer.ask("/echo")
        await wire.turn()
        await wire.until(lambda wire=wire: wire.is_over)  # type: ignore[misc]
        await wire.turn()
        assert wire.peer.got.goaways == [(1 if is_used else 0, ErrorCodes.NO_ERROR)]


@in_a_loop
async def test_a_table_that_the_peer_would_have_us_keep_stays_small() -> None:
    wire = Wire()
    wire.peer.conn.update_settings({SettingCodes.HEADER_TABLE_SIZE: 2**31})
    wire.peer.ask("/echo")
    await wire.turn()
    assert wire.protocol._engine.encoder.header_table_size == 4096


@in_a_loop
async def test_connections_over_the_limit_get_503_and_end() -> None:
    wire = Wire()
    wire.server.connections.update({1, 2})  # type: ignore[arg-type]
    wire.protocol = type(wire.protocol)(wire.protocol._door)
    wire.protocol.connection_made(wire.transport)
    wire.transport.written.clear()
    number, _ = wire.peer.ask("/echo"), wire.peer.ask("/echo")
    got = (await wire.turn()).got
    assert (got.status[number], got.headers[number]["retry-after"]) == (503, "1")
    assert len(wire.refused) == 1
    assert wire.is_over
    assert wire.seen == []


@in_a_loop
async def test_a_drain_tells_first_and_ends_once_all_is_answered() -> None:
    wire = Wire()
    slow = wire.peer.ask("/slow")
    await wire.turn()
    wire.is_draining = True
    during = wire.peer.ask("/last")
    got = (await wire.turn()).got
    assert got.body[during] == b"2"
    assert "connection" not in got.headers[during]
    assert got.goaways == [(2**31 - 1, ErrorCodes.NO_ERROR)]
    wire.protocol.shutdown()
    late = wire.peer.ask("/echo")
    await wire.turn()
    assert got.goaways[1:] == [(during, ErrorCodes.NO_ERROR)]
    assert got.resets == {late: ErrorCodes.REFUSED_STREAM}
    assert not wire.is_over
    wire.released.set()
    await wire.turn()
    assert got.body[slow] == b"2"
    assert wire.is_over


@in_a_loop
async def test_a_peer_that_goes_away_still_gets_its_answers() -> None:
    for way in (frame(7, payload=b"\0" * 8), None):
        wire = Wire()
        slow = wire.peer.ask("/slow")
        await wire.turn(way or b"")
        if way is None:
            assert wire.protocol.eof_received()
        wire.released.set()
        assert (await wire.turn()).got.body[slow] == b"2"
        assert wire.is_over
