"""Every refusal of Redis, by a server that speaks its protocol and answers each command alike: the
world's, or ours.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.platform.adapters.redis_errors import WORLD, translated
from riskstream.platform.adapters.redis_profiles import RedisProfileReader
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.lanes.ports import Mark
from riskstream.runtime.errors import Fatal, Retryable

TEXTS = {
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "BUSY": (
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    ),
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "WRONGPASS": "NOAUTH Authentication required.",
}


class _Refusing(socketserver.StreamRequestHandler):
    """Answers every command of a client with one error."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            for _ in range(int(head[1:])):
                length = int(self.rfile.readline()[1:])
                self.rfile.read(length + 2)
            self.wfile.write(b"-" + self.server.text + b"\r\n")  # type: ignore[attr-defined]


@contextmanager
def refusing(text: str) -> Iterator[str]:
    """The URL of a server that refuses everything."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Refusing) as server:
        server.daemon_threads = True
        server.text = text.encode()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("code", sorted(WORLD))
def test_a_refusal_of_the_world_can_be_tried_again_and_names_its_code(code: str) -> None:
    with refusing(TEXTS.get(code, f"{code} said so")) as url:
        store = RedisStateStore(url, "test", read_timeout_ms=5000)
        for ask in (
            lambda: store.mark(0),
            lambda: store.read({0: [b"a"]}),
            lambda: store.checkpoint(
                0, -1, Mark(stored_src=1, output_offset=1, identity="t"), [(b"a", b"row")]
            ),
            lambda: store.clear(0),
        ):
            with pytest.raises(Retryable, match=f"Redis refuses, .*{code}"):
                ask()
        store.close()
        profiles = RedisProfileReader(url, STANDARD_PROFILES, timeout_ms=1000)
        assert profiles.read([b":terminal:t"]) is None
        profiles.close()


@pytest.mark.parametrize("code", ["MISCONF", "OOM", "NOREPLICAS", "READONLY"])
def test_a_refusal_that_a_script_met_is_the_worlds_too(code: str) -> None:
    old = redis.ResponseError(
        f"Error running script (call to f_ab12): @user_script:12: @user_script: 12: -{code} said so"
    )
    new = redis.ResponseError(f"{code} said so script: ab12, on @user_script:12.")
    assert isinstance(translated(old, "here"), Retryable)
    assert isinstance(translated(new, "here"), Retryable)


@pytest.mark.parametrize(
    "text",
    [
        (
            "ERR Error running script (call to f_ab12): @user_script:5: attempt to compare "
            "number with nil"
        ),
        "ERR unknown command `EVALSHA`, with args beginning with: ",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    ],
)
def test_what_no_waiting_mends_is_fatal(text: str) -> None:
    with refusing(text) as url:
        store = RedisStateStore(url, "test")
        with pytest.raises(Fatal, match="Redis cannot do what we ask"):
            store.checkpoint(0, -1, Mark(stored_src=1, output_offset=1, identity="t"), [])
        store.close()


def test_a_server_that_is_gone_can_be_tried_again() -> None:
    with refusing("LOADING") as url:
        pass
    store = RedisStateStore(url, "test")
    with pytest.raises(Retryable, match="does not answer"):
        store.mark(0)
    store.close()
