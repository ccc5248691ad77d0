"""The simulation's store answers as Redis does: the same calls, drawn at random, to both."""

import random
import uuid

import pytest
import redis
from loadtests.simulation.store import MemoryStore

from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.lanes.ports import Mark
from riskstream.workbench.local.chain import Chain

KEYS = (b"a", b"b", b"c")


def _mark(rng: random.Random) -> Mark:
    src = rng.randrange(8)
    since, rows_to = rng.choice((0, 0, 0, 5, 9)), rng.choice((-1, -1, -1, src + 2))
    return Mark(
        stored_src=src, output_offset=2 * src, identity="topics", whole_since=since, rows_to=rows_to
    )


@pytest.mark.parametrize("seed", range(20))
def test_both_stores_give_the_same_answers(bare: Chain, seed: int) -> None:
    rng, space = random.Random(seed), f"test-{uuid.uuid4().hex[:8]}"
    real, memory = RedisStateStore(bare.stack.redis, space), MemoryStore()
    plain = redis.Redis.from_url(bare.stack.redis)
    for _ in range(60):
        call = rng.choice(("mark", "read", "checkpoint", "checkpoint", "lose a row"))
        if call == "mark":
            assert memory.mark(0) == real.mark(0)
        elif call == "read":
            wanted, since = {0: rng.sample(KEYS, 2)}, rng.choice((None, {0: 0}, {0: 5}))
            assert memory.read(wanted, since) == real.read(wanted, since)
        elif call == "checkpoint":
            highest, mark, replaces = (
                rng.randrange(-1, 8),
                _mark(rng),
                rng.choice((None, None, 0, 5, -1)),
            )
            rows = [(key, b"%d" % rng.randrange(100)) for key in rng.sample(KEYS, rng.randrange(3))]
            assert memory.checkpoint(0, highest, mark, rows, replaces) == real.checkpoint(
                0, highest, mark, rows, replaces
            )
        elif 0 in memory.partitions and (held := sorted(memory.partitions[0].rows)):
            gone = rng.choice(held)
            memory.evict(0, held.index(gone))
            plain.hdel(real.key(0), b":" + gone)
        left, right = memory.mark(0), real.mark(0)
        assert left == right
        assert (left and left.rows_to) == (right and right.rows_to)
