"""State made again from the topics is the state that was lost."""

import subprocess
import sys

import redis
from tests.support.builders import rows
from tests.support.world import World

from riskstream.demo.chain import Chain
from riskstream.local.services import wait_ready

KEYS = [f"{{scorer.standard.v1.{number}}}" for number in range(4)]


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from riskstream.cli.main import main; main()", "rebuild", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rebuilt_rows_are_the_scorers_rows(bare: Chain) -> None:
    world = World(bare)
    service = bare.start("scorer")
    wait_ready([service])
    poison: tuple[bytes | None, bytes | None] = (f"{world.tag}-0".encode(), b"poison")
    world.send([*rows(world.tag, 0, 600, customers=30), poison])
    world.scores(601)
    service.server.stop()
    with redis.Redis.from_url(bare.stack.redis) as client:
        before = {key: client.hgetall(key) for key in KEYS}
        assert sum(map(len, before.values())) > 30
        client.delete(KEYS[1])
        client.hdel(KEYS[2], *[name for name in client.hkeys(KEYS[2]) if name.startswith(b":")][:1])
        done = _cli("--kafka", bare.stack.kafka, "--redis", bare.stack.redis)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("rows written") == 4
        after = {key: client.hgetall(key) for key in KEYS}
    # A rejected or repeated record at the end moves the watermark but no row: all fields are equal.
    assert after == before
    wait_ready([bare.start("scorer")])
    world.send([*rows(world.tag, 600, 60, customers=30), poison])
    scores = [score for score in world.scores(662) if score["verdict"] == "GOOD"]
    assert max(score["features"][10] for score in scores[-5:]) > 15, "it goes on from there"
    bare.services["scorer"].server.stop()


def test_what_cannot_be_is_one_sentence(bare: Chain) -> None:
    for arguments, words in (
        (("--partition", "9"), "no partition 9"),
        (("--source", "nothing.v1"), "no topic nothing.v1"),
        (("--redis", "redis://127.0.0.1:1/0"), "Redis does not answer"),
    ):
        done = _cli("--kafka", bare.stack.kafka, "--redis", bare.stack.redis, *arguments)
        assert done.returncode != 0
        assert words in done.stderr
        assert "Traceback" not in done.stderr
