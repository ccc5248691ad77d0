"""Which letters were redriven: what a note says, and a commit of before."""

import random

from riskstream.platform.kafka import redriven
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.redriven import HEADER, Redriven, notes


def _note(value: bytes | None, name: str = HEADER) -> Record:
    headers: list[tuple[str, bytes | None]] = [(name, None)]
    return Record(
        topic="t", partition=1, offset=0, appended_at=0, key=None, value=value, headers=headers
    )


def test_notes_say_any_set_of_offsets_and_each_fits() -> None:
    chance = random.Random(3)
    offsets = set(chance.sample(range(10**15, 10**15 + 400_000), 150_000))
    said = list(notes(offsets))
    assert 1 < len(said) < 20
    assert max(map(len, said)) <= redriven.NOTE_BYTES
    done = Redriven()
    assert all(done.take(_note(value)) for value in said)
    assert done.among(1, range(10**15 - 5, 10**15 + 400_000)) == offsets
    assert done.among(0, offsets) == set()


def test_a_note_that_cannot_be_read_says_nothing() -> None:
    done = Redriven()
    for value in (None, b"", b"x", b"1-", b"-1", b"1,,2", "٣".encode(), b"9" * 5000):
        assert done.take(_note(value)), value
    assert not done.take(_note(b"1-5", "riskstream-topic"))
    assert done.among(1, range(20)) == set()
    done.take(_note(b"3-5,0-999999999999999999"))
    assert done.among(1, [4, 10**17]) == {4, 10**17}


def test_commits_of_before_are_read() -> None:
    done = Redriven()
    done.take_commit(1, 9, "only=1-2,8")
    done.take_commit(2, 4, "")
    assert done.among(1, range(20)) == {1, 2, 8}
    assert done.among(2, range(20)) == {0, 1, 2, 3}
