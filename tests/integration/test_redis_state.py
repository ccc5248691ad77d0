"""The lane's state store on a real Redis: one script, and whatever is lost takes the watermark with
it.
"""

import uuid

import pytest
import redis

from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.lanes.ports import OTHER_STATE, Mark
from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.chain import Chain


@pytest.fixture
def space(chain: Chain) -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(chain: Chain, space: str) -> RedisStateStore:
    return RedisStateStore(chain.stack.redis, space)


@pytest.fixture
def plain(chain: Chain) -> redis.Redis:
    return redis.Redis.from_url(chain.stack.redis)


def _mark(s: int) -> Mark:
    return Mark(stored_src=s, output_offset=2 * s, identity="topics")


def test_rows_and_watermark_come_back_together(store: RedisStateStore) -> None:
    assert store.mark(3) is None
    assert store.read({3: [b"a"]}) == {3: (None, [None])}
    assert store.checkpoint(3, -1, _mark(7), [(b"a", b"row a"), (b"b", b"")]) == 7
    assert store.mark(3) == _mark(7)
    assert store.read({3: [b"b", b"c", b"a"], 4: [b"a"]}) == {
        3: (7, [b"", None, b"row a"]),
        4: (None, [None]),
    }


def test_a_checkpoint_of_long_ago_changes_nothing_and_tells_where_the_store_is(
    store: RedisStateStore,
) -> None:
    store.checkpoint(0, -1, _mark(7), [(b"a", b"new")])
    assert store.checkpoint(0, -1, _mark(5), [(b"a", b"old")]) == 7
    assert store.read({0: [b"a"]})[0] == (7, [b"new"])


def test_a_store_that_went_back_is_refused(store: RedisStateStore) -> None:
    store.checkpoint(0, -1, _mark(7), [(b"a", b"row")])
    assert store.checkpoint(0, 9, _mark(11), [(b"a", b"newer")]) is None
    assert store.read({0: [b"a"]})[0] == (7, [b"row"])


@pytest.mark.parametrize("lost", [(":a",), ("#s",), ("#n",), (":a", ":b", "#e", "#identity")])
def test_a_lost_field_loses_the_watermark(
    store: RedisStateStore, plain: redis.Redis, space: str, lost: tuple[str, ...]
) -> None:
    store.checkpoint(0, -1, _mark(7), [(b"a", b"row"), (b"b", b"row")])
    plain.hdel(f"{{{space}.0}}", *lost)
    assert store.mark(0) is None
    assert store.read({0: [b"b"]})[0] == (None, [None]), "a row without a watermark is none"
    assert store.checkpoint(0, 7, _mark(8), [(b"b", b"row")]) is None
    assert store.checkpoint(0, -1, _mark(4), [(b"a", b"again")]) == 4, (
        "an owner that began anew may write"
    )
    assert store.mark(0) == _mark(4)


def _partial(s: int, since: int, rows_to: int = -1) -> Mark:
    return Mark(
        stored_src=s, output_offset=0, identity="topics", whole_since=since, rows_to=rows_to
    )


def test_a_hash_of_before_is_whole_and_a_partial_one_says_since_when(
    store: RedisStateStore, plain: redis.Redis, space: str
) -> None:
    store.checkpoint(0, -1, _mark(7), [(b"a", b"row")])
    assert plain.hexists(f"{{{space}.0}}", "#whole_since") == 0
    assert store.mark(0) == _mark(7)
    assert store.checkpoint(0, 7, _partial(7, 500), [], replaces=0) == 7, (
        "the same watermark, less known"
    )
    assert store.mark(0) == _partial(7, 500)


def test_an_owner_of_another_state_neither_reads_nor_writes(store: RedisStateStore) -> None:
    store.checkpoint(0, -1, _partial(7, 500), [(b"a", b"partial")])
    assert store.read({0: [b"a"]}, {0: 0})[0][0] == OTHER_STATE, (
        "a zombie that takes its state to be whole"
    )
    assert store.read({0: [b"a"]}, {0: 500})[0] == (7, [b"partial"])
    assert store.checkpoint(0, 5, _mark(9), [(b"a", b"whole")]) is None
    assert store.checkpoint(0, 5, _mark(6), [(b"a", b"whole")]) is None, (
        "nor is it told that it is there"
    )
    assert store.checkpoint(0, 5, _partial(9, 600), [], replaces=400) is None, (
        "two that begin anew: one does"
    )
    assert store.mark(0) == _partial(7, 500)


def test_a_state_that_moved_on_is_not_begun_anew(store: RedisStateStore) -> None:
    store.checkpoint(0, -1, _mark(9), [])
    assert store.checkpoint(0, 5, _partial(7, 500), [], replaces=0) is None
    assert store.mark(0) == _mark(9)


def test_rows_past_the_watermark_are_told_until_it_has_passed_them(
    store: RedisStateStore, plain: redis.Redis, space: str
) -> None:
    store.checkpoint(0, -1, _mark(20), [(b"a", b"row"), (b"b", b"row")])
    plain.hdel(f"{{{space}.0}}", ":a")
    told = []
    for t in (4, 19, 20):
        store.checkpoint(0, -1, _partial(t, 500), [(b"a", b"again")])
        found = store.mark(0)
        told.append(found.rows_to if found else None)
    assert told == [20, 20, -1]


def test_twenty_thousand_rows_are_one_script(store: RedisStateStore) -> None:
    rows = [(b"c%d" % n, b"x" * 300) for n in range(20_000)]
    assert store.checkpoint(0, -1, _mark(7), rows) == 7
    assert store.read({0: [b"c0", b"c19999", b"c20000"]})[0] == (7, [b"x" * 300, b"x" * 300, None])


def test_a_few_rows_have_the_short_deadline_and_many_may_take_longer(
    chain: Chain, space: str, plain: redis.Redis
) -> None:
    store = RedisStateStore(chain.stack.redis, space, read_timeout_ms=100)
    few, many = [b"a"], [b"%d" % n for n in range(65)]
    assert store.read({0: few}) == {0: (None, [None])}
    assert store.read({0: many})[0] == (None, [None] * 65)
    plain.execute_command("CLIENT", "PAUSE", 400)  # type: ignore[no-untyped-call]
    with pytest.raises(Retryable, match="does not answer"):
        store.read({0: few})
    assert store.read({0: many})[0] == (None, [None] * 65)
