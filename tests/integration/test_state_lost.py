"""Redis lost the scorers' state and retention took the topics' heads: scores go on from what is
left, and say so.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient
from tests.support.builders import rows
from tests.support.own_topics import OwnTopics, log_with, wait_until
from tests.support.vectors import feature

from riskstream.domain.contracts.records import Score
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.client import producer
from riskstream.workbench.local.chain import Chain

LOST, OLD = 1, 0
"""Partitions: one whose hash is gone, and one whose hash is of an old backup."""


@pytest.fixture
def own(bare: Chain) -> OwnTopics:
    return OwnTopics.made(bare)


def _key(own: OwnTopics, partition: int) -> str:
    return f"{{{own.group}.{STANDARD.label}.{partition}}}"


def _srcs(scores: list[Score]) -> list[object]:
    return [score.src for score in scores]


def _counts(scores: list[Score]) -> list[object]:
    """How many payments of the customer within 30 days each score knew."""
    return [feature(score, "customer_count_30d") for score in scores]


def _partial(scores: list[Score]) -> list[bool]:
    return ["partial_history" in score.flags for score in scores]


def _after(own: OwnTopics, partition: int, first: int, count: int) -> list[Score]:
    """Scores of records that are sent now."""
    before = own.ends(own.output)[partition]
    own.send(partition, rows(f"p{partition}", first, count, customers=1))
    wait_until(lambda: own.ends(own.output)[partition] >= before + count, "scores")
    kept = sum(own.kept(own.output, each) for each in (LOST, OLD))
    return [score_of(each) for each in own.outputs(kept) if each.partition == partition][-count:]


def _rebuilt(own: OwnTopics) -> str:
    wanted = [
        "--kafka",
        own.kafka,
        "--redis",
        own.chain.stack.redis,
        "--group",
        own.group,
        "--source",
        own.source,
        "--output",
        own.output,
    ]
    command = [
        sys.executable,
        "-c",
        "from riskstream.cli.main import main; main()",
        "rebuild",
        *wanted,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scores_go_on_flagged_from_what_is_left(own: OwnTopics) -> None:
    with redis.Redis.from_url(own.chain.stack.redis) as store:
        service = own.start_ready_scorer()
        own.send(OLD, rows(f"p{OLD}", 0, 20, customers=1))
        wait_until(lambda: store.hget(_key(own, OLD), "#s") == b"19", "a checkpoint")
        backup = store.dump(_key(own, OLD))
        own.send(OLD, rows(f"p{OLD}", 20, 20, customers=1))
        own.send(LOST, rows(f"p{LOST}", 0, 40, customers=1))
        own.wait_committed(LOST, 40)
        own.wait_committed(OLD, 40)
        own.expire(own.source, LOST, 10)
        own.expire(own.output, LOST, 20)  # ten records were answered, and nobody says how
        store.delete(_key(own, LOST))
        [score] = _after(own, LOST, 40, 1)
        log_with(service, "state is lost")
        assert (_partial([score]), _counts([score])) == ([False], [41]), (
            "of rows in memory, which are whole"
        )
        scores = _after(own, LOST, 41, 5)
        assert _srcs(scores) == [41, 42, 43, 44, 45]
        assert [score.prev for score in scores] == [40, 41, 42, 43, 44], (
            "readers see no answer missing"
        )
        assert (_partial(scores), _counts(scores)) == ([True] * 5, [32, 33, 34, 35, 36])
        own.wait_committed(LOST, 46)
        wait_until(lambda: store.hget(_key(own, LOST), "#s") == b"45", "a checkpoint")
        service.server.stop()
        log = service.server.log.read_text()
        assert log.count("state is lost") == 1
        assert "partition held" not in log

        store.restore(_key(own, OLD), 0, backup, replace=True)
        for topic in (own.source, own.output):
            own.expire(topic, OLD, 30)
    admin = AdminClient({"bootstrap.servers": own.kafka})
    admin.delete_consumer_groups([own.group])[own.group].result(20)
    again = own.start_ready_scorer()
    scores = _after(own, LOST, 46, 5)
    assert (_partial(scores), _counts(scores)) == ([True] * 5, [37, 38, 39, 40, 41]), (
        "a restart does not make it whole"
    )
    scores = _after(own, OLD, 40, 5)
    assert (_srcs(scores), _partial(scores)) == ([40, 41, 42, 43, 44], [True] * 5)
    assert _counts(scores) == [31, 32, 33, 34, 35], (
        "the backup's and those that the source still holds"
    )
    log = again.server.log.read_text()
    assert log.count("state is lost") == 1, "the other partition goes on from its own watermark"
    own.wait_committed(OLD, 45)
    again.server.stop()
    left = Counter((each.partition, score_of(each).src) for each in own.outputs(46))
    assert left == dict.fromkeys(
        [*((LOST, n) for n in range(20, 51)), *((OLD, n) for n in range(30, 45))], 1
    )
    said = _rebuilt(own)
    assert said.count("lack records") == 2, said


def test_a_snapshot_that_joins_up_makes_it_whole_again_and_without_one_a_setting_holds(
    own: OwnTopics, tmp_path: Path
) -> None:
    given = {"SNAPSHOTS": str(tmp_path), "SNAPSHOT_MINUTES": "0.01", "ON_STATE_LOST": "restore"}
    service = own.start_ready_scorer(
        **{f"RISKSTREAM_SCORER_{name}": value for name, value in given.items()}
    )
    own.send(LOST, rows(f"p{LOST}", 0, 30, customers=1))
    wait_until(lambda: any(tmp_path.rglob(f"p*{LOST}/s{29:020d}-*.state")), "a snapshot")
    own.expire(own.source, LOST, 20)
    own.expire(own.output, LOST, 25)
    with redis.Redis.from_url(own.chain.stack.redis) as store:
        store.delete(_key(own, LOST))
        _after(own, LOST, 30, 1)
        log_with(service, "state restored from a snapshot")
        scores = _after(own, LOST, 31, 5)
        assert (_srcs(scores), _partial(scores)) == ([31, 32, 33, 34, 35], [False] * 5)
        assert _counts(scores) == [32, 33, 34, 35, 36], "all of its payments"
        assert "partition held" not in service.server.log.read_text()
        wait_until(lambda: store.hget(_key(own, LOST), "#s") == b"35", "a checkpoint")
        own.expire(own.source, LOST, 36)
        store.delete(_key(own, LOST))  # from here on none is taken
        for path in tmp_path.rglob("*.state"):
            path.unlink()
        _after(own, LOST, 36, 1)
    log_with(service, "and no snapshot joins up with the topics")
    service.server.stop()


def test_a_record_of_somebody_else_among_the_answers_holds_and_is_passed_once_it_is_deleted(
    own: OwnTopics,
) -> None:
    """Its schema is not known, so it may be an answer; nothing but its deletion passes it, without
    a restart.
    """
    first = own.start_ready_scorer()
    own.send(LOST, rows(f"p{LOST}", 0, 5, customers=1))
    own.wait_committed(LOST, 5)
    first.server.stop()
    at = own.ends(own.output)[LOST]
    client = producer(own.kafka, "test")
    client.produce(own.output, b"\0\x7f\0\0\7" + b"x" * 20, b"c", LOST)
    assert client.flush(10) == 0
    service = own.start_scorer()
    own.send(LOST, rows(f"p{LOST}", 5, 2, customers=1))
    log_with(
        service,
        f"the record of {own.output} at offset {at} has schema {0x7F000007}, which this scorer",
    )
    assert own.ends(own.output)[LOST] == at + 1, "nothing is answered while it is held"
    own.expire(own.output, LOST, at + 1)
    wait_until(lambda: own.ends(own.output)[LOST] == at + 3, "scores")
    scores = own.scores(2)
    log_with(service, "state is lost")
    assert _srcs(scores) == [5, 6]
    assert _counts(scores) == [6, 7], "the state holds all that was answered before"
