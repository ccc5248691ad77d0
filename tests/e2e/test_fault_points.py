"""The scorer ended between every two steps of the lane, by a kill and by an exception: nothing
lost, doubled or wrong.
"""

import os
import subprocess
from time import monotonic, sleep

import pytest
from tests.support.builders import rows
from tests.support.vectors import feature
from tests.support.world import DEADLINE_S, World

from riskstream.platform.kafka.dead_letters import read_dead_letters
from riskstream.runtime.faults import POINTS
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready

CUSTOMERS = 24


def _rows(tag: str, first: int, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """`count` good records and one poisonous one. Each time one customer is new, so that there are
    rows to read.
    """
    good = rows(tag, first, count, customers=CUSTOMERS + first // count)
    return [*good[: count // 2], (f"{tag}-0".encode(), b"poison"), *good[count // 2 :]]


TIMES = int(os.environ.get("RISKSTREAM_FAULT_TIMES", "1"))  # `make proof` does each three times
HOWS = ("kill", "raise", "interrupt") if TIMES > 1 else ("kill",)
CASES = [(point, how) for how in HOWS for point in POINTS]
BETWEEN = ("rows_read", "processed", "half_produced", "produced", "dead_lettered")
# by an exception: where memory may hold what was not produced, and where a copy may be lost
if TIMES == 1:
    CASES += [(point, "raise") for point in ("processed", "half_produced", "copied", "written")]
    CASES += [("processed", "interrupt")]


@pytest.mark.parametrize("time", range(TIMES))
@pytest.mark.parametrize(("point", "how"), CASES)
def test_a_scorer_that_fails_at_a_step_is_as_if_it_did_not(
    bare: Chain, point: str, how: str, time: int
) -> None:
    world = World(bare)
    turn = 1 if point in ("assigned", "recovered", "resumed") else 2 + time
    env = {"RISKSTREAM_FAULT_POINT": f"{point}:{turn}", "RISKSTREAM_FAULT_HOW": how}
    # so that a last checkpoint on the way out would have something to write
    if how != "kill" and point in BETWEEN:
        env["RISKSTREAM_SCORER_CHECKPOINT_EVERY_MS"] = "60000"
    service = bare.start("scorer", env)
    sent = poison = 0
    for _ in range(60):
        world.send(_rows(world.tag, sent, 120))
        sent, poison = sent + 120, poison + 1
        try:
            service.server._guard.wait(0.5)
            break
        except subprocess.TimeoutExpired:
            continue
    assert not service.server.is_running, f"it never passed {point}"
    service.server.stop()
    again = bare.start("scorer")
    wait_ready([again])
    world.send(_rows(world.tag, sent, 120))
    sent, poison = sent + 120, poison + 1

    scores = world.scores(sent + poison)
    good = [score for score in scores if score.verdict == "GOOD"]
    assert sorted(str(score.transaction_id) for score in good) == sorted(
        f"{world.tag}-{n}" for n in range(sent)
    )
    assert sum(score.verdict == "REJECTED" for score in scores) == poison
    seen: dict[str, int] = {}
    for score in good:  # each partition's are in order
        assert score.customer_id is not None
        seen[score.customer_id] = seen.get(score.customer_id, 0) + 1
        assert feature(score, "customer_count_30d") == seen[score.customer_id], (
            "the count of 30 days is exact"
        )
        assert score.flags == ()
    end = monotonic() + DEADLINE_S  # a letter follows its score: it may not be there at once
    while (letters := _letters(world)) < poison and monotonic() < end:
        sleep(0.2)
    assert letters == poison
    assert "opens again" not in again.server.log.read_text(), "no row was ahead of the answers"
    bare.services["scorer"].server.stop()


def _letters(world: World) -> int:
    """Dead letters of this test, each source position once."""
    letters = read_dead_letters(world.kafka, "transactions.v1.dlq")
    return sum((letter.record.key or b"").startswith(world.tag.encode()) for letter in letters)
