"""A topic of dead letters that is larger than memory: letters are counted, chosen and sent, and
never held together.
"""

import tracemalloc
from collections.abc import Iterator
from types import TracebackType
from typing import Any, ClassVar, Self

import pytest
from click.testing import CliRunner

from riskstream.cli import dlq
from riskstream.platform.kafka import dead_letters
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.redriven import HEADER, Redriven
from riskstream.platform.kafka.rejects import dead_letter_headers

TOPIC, LETTERS, BODY = "transactions.v1.dlq", 400, 1_000_000
MOST = 80_000_000
"""Bytes: two transactions' letters and some, far below the 400 MB of all."""


class _Reader:
    """Two partitions of letters that are made as they are read; partition 1 holds each letter of 0
    again.
    """

    counts: ClassVar = {TOPIC: 2}

    def __init__(self, _kafka: str, _topics: list[str], *, offsets: Any = None, **_: Any) -> None:
        self._offsets = offsets

    def until_end(self, _deadline_s: float = 0.0) -> Iterator[Record]:
        for partition in (
            (0, 1) if self._offsets is None else sorted(number for _, number in self._offsets)
        ):
            for n in range((self._offsets or {}).get((TOPIC, partition), 0), LETTERS):
                headers: Any = dead_letter_headers(
                    "transactions.v1", 0, n, "bad_magic", b"{broken}"
                )
                yield Record(
                    topic=TOPIC,
                    partition=partition,
                    offset=n,
                    appended_at=0,
                    key=b"c-1",
                    value=bytes(BODY),
                    headers=headers,
                )

    def look_at_ends(self) -> None:
        self._offsets = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None: ...


class _Producer:
    """What was committed: (topic, offsets noted or 1 for a letter)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.most = self._open = 0

    def begin_transaction(self) -> None:
        self._open = 0

    def commit_transaction(self, _timeout_s: float) -> None: ...

    def poll(self, _timeout_s: float) -> None: ...

    def produce(
        self, topic: str, value: bytes, _key: bytes | None, _partition: int, *, headers: Any
    ) -> None:
        is_note = headers[0][0] == HEADER
        self.sent.append((topic, -1 if is_note else len(value)))
        self._open += len(value)
        self.most = max(self.most, self._open)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the test allocates at its peak stays below MOST."""
    monkeypatch.setattr(dead_letters, "TopicReader", _Reader)
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("held")
def test_letters_are_counted_and_shown_one_after_the_other() -> None:
    listed = CliRunner().invoke(dlq.command, ["list", "--kafka", "127.0.0.1:1"])
    assert listed.output.split() == ["400", "bad_magic", "400", "dead", "letters"], listed.exception
    lines = (
        CliRunner()
        .invoke(dlq.command, ["list", "--positions", "--kafka", "127.0.0.1:1"])
        .output.splitlines()
    )
    assert [each.split()[0] for each in lines] == [*(f"0:{n}" for n in range(LETTERS)), "400"]


@pytest.mark.usefixtures("held")
def test_letters_are_redriven_a_transaction_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = _Producer()
    monkeypatch.setattr(dead_letters, "_said_by_commits", lambda *_: Redriven())
    monkeypatch.setattr(dead_letters, "_check", lambda *_: None)
    monkeypatch.setattr(dead_letters, "_transactional", lambda _: producer)
    assert dead_letters.redrive("k:1", TOPIC, lambda letter: letter.offset >= 100) == (300, 0)
    assert producer.sent.count(("transactions.v1", BODY)) == 300
    assert producer.sent.count((TOPIC, -1)) == len(producer.sent) - 300 == 10, (
        "a note in each transaction"
    )
    assert producer.most <= dead_letters.AT_ONCE_BYTES


@pytest.mark.usefixtures("held")
def test_what_would_be_rejected_again_is_found_some_at_a_time() -> None:
    letters = dead_letters.read_dead_letters("k:1", TOPIC)
    assert dlq._worth_sending(letters, {"transactions.v1"}, "EUR") == (set(), LETTERS)
