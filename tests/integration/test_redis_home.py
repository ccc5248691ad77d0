"""All processes of a group share one Redis, proven before one joins; a Redis that was truly lost is
taken when nobody runs.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.support.builders import rows
from tests.support.own_topics import PARTITIONS, OwnTopics, wait_until

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters import redis_home
from riskstream.platform.adapters.redis_home import Home, HomeProof, RedisHome, state_home
from riskstream.platform.kafka.claims import Claims
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import consumer, group_settings
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.redis import RedisServer


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that no scorer of ours was ever told of."""
    server = RedisServer(tmp_path_factory.mktemp("other"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_home, "WAIT_S", 1.0)
    monkeypatch.setattr(redis_home, "AWAY_S", 1.0)


def _home(own: OwnTopics, url: str) -> RedisHome:
    return state_home(url, f"{own.group}.{STANDARD.label}", PARTITIONS)


def _prove(own: OwnTopics, url: str) -> None:
    """As a scorer's start does."""
    HomeProof(_home(own, url), TopicAdmin(own.kafka), own.kafka, own.group).prove(threading.Event())


def test_a_scorer_with_another_redis_takes_no_partition_from_those_that_run(
    bare: Chain, other: RedisServer
) -> None:
    own, plain = OwnTopics.made(bare), redis.Redis.from_url(other.url)
    plain.flushall()
    running = own.start_ready_scorer()
    with pytest.raises(Fatal, match=f"processes of group {own.group} run with another Redis"):
        _prove(own, other.url)
    for partition in range(PARTITIONS):
        own.send(partition, rows("a", 0, 5))
    own.scores(5 * PARTITIONS)
    assert "revoked" not in running.server.log.read_text()
    _prove(own, bare.stack.redis)  # theirs: a second scorer may join
    mine = redis.Redis.from_url(bare.stack.redis)
    mine.delete(
        f"{{{own.group}.{STANDARD.label}.home}}"
    )  # lost while they run: they tell it again, so that another may join
    wait_until(lambda: _home(own, bare.stack.redis).read() is not None, "the id is there again")
    running.server.stop()
    wait_until(
        lambda: not TopicAdmin(own.kafka).groups_by_members().get(own.group, False), "nobody runs"
    )
    redis_home.WAIT_S = 10.0
    _prove(own, other.url)  # nobody runs: this one was lost or moved
    assert Claims(own.kafka).of(f"state {own.group}.{STANDARD.label}") is not None
    again = own.start_ready_scorer(RISKSTREAM_SCORER_REDIS=other.url)
    redis_home.WAIT_S = 1.0
    with pytest.raises(Fatal, match="run with another Redis"):
        _prove(own, bare.stack.redis)
    again.server.stop()


def test_members_of_a_version_that_gave_no_ids_are_known_by_their_rows(
    bare: Chain, other: RedisServer
) -> None:
    own = OwnTopics.made(bare)
    member = consumer(own.kafka, own.group, **group_settings("classic", 6000))
    member.subscribe([own.source])
    wait_until(lambda: member.poll(0.2) is None and bool(member.assignment()), "a member")
    with pytest.raises(Fatal, match="run with another Redis"):
        _prove(own, other.url)
    redis.Redis.from_url(bare.stack.redis).hset(f"{{{own.group}.{STANDARD.label}.1}}", "#s", "7")
    _prove(own, bare.stack.redis)
    member.close()


def test_a_redis_of_another_cluster_or_one_that_refuses_is_told(
    bare: Chain, other: RedisServer, tmp_path: Path
) -> None:
    own = OwnTopics.made(bare)
    home = _home(own, other.url)
    home.keep(Home(cluster="another", store_id="x"))
    with pytest.raises(Fatal, match="of another Kafka cluster"):
        _prove(own, other.url)
    home.replace(Home(cluster=TopicAdmin(own.kafka).cluster_id(), store_id="x"))
    _prove(own, other.url)
    server = RedisServer(tmp_path / "guarded")
    server.start()
    redis.Redis.from_url(server.url).config_set("requirepass", "p")
    with pytest.raises(Fatal, match=r"Redis refuses this user: WRONGPASS .*--redis"):
        _prove(own, server.url)
    server.stop()
    with pytest.raises(Retryable, match="Redis does not answer"):
        _prove(own, server.url)
