"""What one gateway remembers: bounded, and the oldest go first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstream.gateway.once.known import Known, packed, pending, unpacked
from riskstream.gateway.once.memory import ENTRY_BYTES, Memory

KEEP_MS = 1000


def test_the_oldest_go_first_where_there_are_too_many() -> None:
    memory = Memory(4, 10**6, KEEP_MS)
    for at in range(6):
        memory.put(at, Known(10 + at, (1, at)), 0)
    assert [memory.get(at, 1) for at in range(6)] == [
        None, None, *(Known(10 + at, (1, at)) for at in range(2, 6))
    ]  # fmt: skip
    memory.put_many(range(100, 109), range(9), [(2, each) for each in range(9)], 0)
    assert len(memory) == 4
    assert memory.get(108, 1) == Known(8, (2, 8))


def test_the_oldest_go_first_where_they_take_too_much_memory() -> None:
    memory = Memory(1000, 10 * ENTRY_BYTES, KEEP_MS)
    for at in range(20):
        memory.put(at, Known(at, (0, at)), 0)
    assert (len(memory), memory.size) == (10, 10 * ENTRY_BYTES)
    memory.put(20, Known(20, (0, 20), b"x" * 5 * ENTRY_BYTES), 0, 7)
    assert memory.size <= 10 * ENTRY_BYTES
    assert memory.get(20, 1) is not None
    memory.put(21, Known(21, (0, 21), b"x" * 50 * ENTRY_BYTES), 0, 7)
    assert (len(memory), memory.size, memory.with_id(7, 0)) == (0, 0, ())


def test_what_is_too_old_is_not_known_and_makes_room() -> None:
    memory = Memory(1000, 10**6, KEEP_MS)
    memory.put(1, Known(1, (0, 1), b"told"), 0, 7)
    assert memory.get(1, KEEP_MS - 1) == Known(1, (0, 1), b"told")
    assert memory.get(1, KEEP_MS) is None
    memory.put(2, Known(2, (0, 2)), KEEP_MS)
    assert (len(memory), memory.with_id(7, KEEP_MS)) == (1, ())


def test_decisions_are_found_by_the_id_of_the_transaction() -> None:
    memory = Memory(1000, 10**6, KEEP_MS)
    memory.put(1, Known(1, (0, 1), b"a"), 0, 7)
    memory.put(2, Known(1, (0, 2), b"b"), 0, 7)
    memory.put(1, Known(1, (0, 1), b"c"), 0, 7)
    memory.late(1, b"later")
    memory.late(3, b"never told")
    assert sorted(memory.with_id(7, 1)) == [1, 2]
    assert memory.get(1, 1) == Known(1, (0, 1), b"later")
    assert memory.get(3, 1) is None


def test_an_id_that_many_customers_use_is_looked_up_as_any_other() -> None:
    memory = Memory(1000, 10**6, KEEP_MS)
    for name in range(50):
        memory.put(name, Known(1, (0, name), b"a"), 10 * name, 7)
    assert memory.with_id(7, 490) == (0, 1)
    assert memory.with_id(7, KEEP_MS + 470) == (48, 49)
    assert memory.with_id(7, KEEP_MS + 480) == (49,)
    assert memory.with_id(7, KEEP_MS + 490) == ()
    assert (len(memory), memory.size) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 12), st.booleans(), st.integers(0, 400)),
        max_size=60,
    )
)
def test_it_knows_what_a_plain_list_of_the_newest_knows(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    memory, now = Memory(8, 10**9, KEEP_MS), 0
    plain: list[tuple[int, int, int]] = []
    for body, (first, count, is_told, wait) in enumerate(steps):
        now += wait
        names = [first + each for each in range(count)]
        if is_told:
            memory.put(first, Known(body, (0, body), b"told"), now, 1)
            plain.append((first, body, now))
        else:
            memory.put_many(names, [body] * count, [(0, body)] * count, now)
            plain += [(name, body, now) for name in names]
        newest = {name: (known, at) for name, known, at in plain[-8:]}
        for name in range(25):
            found, known = memory.get(name, now), newest.get(name)
            assert (found.body if found else None) == (
                known[0] if known and known[1] + KEEP_MS > now else None
            )
    assert memory.size <= 8 * (ENTRY_BYTES + 254)


@pytest.mark.parametrize(
    "known", [Known(-5, (3, 2**40)), Known(2**63 - 1, (0, 0), b'{"a":1}'), Known(1, None, b"{}")]
)
def test_what_is_shared_comes_back(known: Known) -> None:
    assert unpacked(packed(known)) == (known.body, known)
    assert unpacked(pending(known.body, b"12345678")) == (known.body, None)


@pytest.mark.parametrize("value", [b"P", b"X" + b"\0" * 20, b"A" + b"\0" * 9])
def test_another_value_is_not_taken_for_ours(value: bytes) -> None:
    with pytest.raises(ValueError, match="it"):
        unpacked(value)
