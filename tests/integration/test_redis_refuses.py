"""A real Redis that refuses writes under a scorer that runs: the scorer goes on, and checkpoints
when it takes them again.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from tests.support.builders import rows
from tests.support.own_topics import OwnTopics, log_with, wait_until

from riskstream.domain.risk.features.standard import STANDARD
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.redis import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path / "redis")
    running.start()
    yield running
    running.stop()


def _misconf(client: redis.Redis, folder: Path) -> None:
    (folder / "dump.rdb").mkdir()
    (folder / "dump.rdb" / "x").write_text("x")
    client.config_set("save", "3600 1")
    client.bgsave()
    wait_until(
        lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "a save that fails"
    )


def _noreplicas(client: redis.Redis, _: Path) -> None:
    client.config_set("min-replicas-to-write", 1)


def _oom(client: redis.Redis, _: Path) -> None:
    client.config_set("maxmemory", 1)


def _readonly(client: redis.Redis, _: Path) -> None:
    client.replicaof("127.0.0.1", 1)


def _is_checkpointed(client: redis.Redis, group: str, s: int) -> bool:
    return client.hget(f"{{{group}.{STANDARD.label}.1}}", "#s") == str(s).encode()


CASES: dict[str, tuple[Callable[[redis.Redis, Path], None], Callable[[redis.Redis], object]]] = {
    "MISCONF": (_misconf, lambda client: client.config_set("stop-writes-on-bgsave-error", "no")),
    "NOREPLICAS": (_noreplicas, lambda client: client.config_set("min-replicas-to-write", 0)),
    "OOM": (_oom, lambda client: client.config_set("maxmemory", 0)),
    "READONLY": (_readonly, lambda client: client.execute_command("REPLICAOF", "NO", "ONE")),  # type: ignore[no-untyped-call]
}


def test_a_scorer_goes_on_while_redis_refuses_writes_and_checkpoints_after(
    bare: Chain, server: RedisServer
) -> None:
    own = OwnTopics.made(bare)
    service = own.start_ready_scorer(RISKSTREAM_SCORER_REDIS=server.url)
    client = redis.Redis.from_url(server.url)
    sent = 0
    for code, (refuse, mend) in CASES.items():
        refuse(client, server.folder)
        own.send(1, rows("a", sent, 20))
        sent += 20
        own.scores(sent)
        log = log_with(service, f"{code} ")
        assert "checkpoint waits" in log
        mend(client)
        wait_until(partial(_is_checkpointed, client, own.group, sent - 1), f"{code}: a checkpoint")
    assert service.server.is_running
    waits = service.server.log.read_text().count("checkpoint waits")
    assert waits < 40, "it asks twice a second, not at every turn of the loop"
    service.server.stop()
