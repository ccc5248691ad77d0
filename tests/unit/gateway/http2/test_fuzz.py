"""Whatever bytes or frames a peer sends: nothing escapes, and the connection answers or ends."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.http2_peer import frame
from tests.support.http2_wire import Wire

PING = frame(6, payload=b"12345678")
BLOCKS = st.sampled_from(
    [
        b"\x83\x86\x44\x05/echo\x41\x01a",
        b"\x82\x86\x84\x41\x01a",
        b"\x83\x86\x44\x05/slow\x41\x01a\x5c\x012",
        b"",
        b"\x3f\xe1\x7f",
        b"\xff\xff\xff\xff\xff\xff",
    ]
)
FRAMES = st.builds(
    frame,
    st.integers(0, 10),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1]),
    st.one_of(st.binary(max_size=40), BLOCKS),
)
REQUESTS = st.builds(
    frame, st.just(1), st.sampled_from([4, 5, 0, 1]), st.sampled_from([1, 3, 5]), BLOCKS
)


async def _took(parts: list[bytes]) -> None:
    wire = Wire()
    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    wire.released.set()
    await wire.turn()
    for part in parts:
        wire.protocol.data_received(part)
        await asyncio.sleep(0)
    if not wire.is_over and not wire.protocol._reader.is_inside:
        wire.transport.written.clear()
        wire.protocol.data_received(PING)
        await asyncio.sleep(0)
        assert wire.is_over or frame(6, 1, payload=b"12345678") in wire.transport.written
    wire.protocol.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert raised == []
    assert not wire.server.tasks
    assert [each.code for each in wire.refused if each.code == "internal"] == []


def test_raw_bytes() -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.binary(max_size=100), max_size=6))
        def taken(parts: list[bytes]) -> None:
            runner.run(_took(parts))

        taken()


def test_frames_in_any_order_and_cut_anywhere() -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=150, deadline=None)
        @given(st.lists(st.one_of(FRAMES, REQUESTS), max_size=12), st.integers(1, 60))
        def taken(frames: list[bytes], size: int) -> None:
            data = b"".join(frames)
            runner.run(_took([data[at : at + size] for at in range(0, len(data), size)]))

        taken()
