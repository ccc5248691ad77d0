"""State made again from the topics is the state that was lost."""

import subprocess
import sys

import pytest
import redis
from click.testing import CliRunner
from tests.support.builders import rows
from tests.support.own_topics import PARTITIONS, OwnTopics
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.cli.rebuild import command as rebuild
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_TILES
from riskstream.platform.adapters import redis_home
from riskstream.platform.adapters.redis_home import state_home
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Fatal
from riskstream.scorer.joining import prove_state_is_made
from riskstream.scorer.settings import ScorerSettings
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready

KEYS = [f"{{scorer.{STANDARD.label}.{number}}}" for number in range(4)]


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from riskstream.cli.main import main; main()",
            "rebuild",
            *arguments,
        ],
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
    scores = [score for score in world.scores(662) if score.verdict == "GOOD"]
    assert max(feature(score, "customer_count_30d") for score in scores[-5:]) > 15, (
        "it goes on from there"
    )
    bare.services["scorer"].server.stop()


def test_beside_a_running_scorer_only_the_state_of_another_feature_set_is_made_and_it_joins_then(
    bare: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OwnTopics.made(bare)
    running = own.start_ready_scorer()
    own.send(0, rows("a", 0, 40))
    own.scores(40)
    own.wait_committed(0, 40)
    monkeypatch.setattr(redis_home, "USED_S", 0)  # nobody was killed: nobody has to be forgotten
    given = [
        "--kafka",
        own.kafka,
        "--redis",
        bare.stack.redis,
        "--group",
        own.group,
        "--source",
        own.source,
        "--output",
        own.output,
    ]
    refused = CliRunner().invoke(rebuild, given)
    assert isinstance(refused.exception, Fatal)
    said = (
        f"processes of group {own.group} run with {own.group}.{STANDARD.label}, and nothing "
        "was changed"
    )
    assert refused.exception.what == said

    tiles = ["--features", "standard-tiles"]
    with pytest.raises(Fatal, match="has no state: each customer would be new to it") as before:
        _prove_made([*given[:-2], *tiles], own)
    assert (
        f"run `riskstream rebuild --features standard-tiles --group {own.group}` first"
        in before.value.do
    )
    done = CliRunner().invoke(rebuild, [*given, *tiles])
    assert done.exception is None, done.exception
    assert "40 records applied" in done.output
    _prove_made([*given[:-2], *tiles], own)
    own.send(0, rows("a", 40, 5))
    own.scores(45)
    running.server.stop()


def _prove_made(arguments: list[str], own: OwnTopics) -> None:
    """As a scorer of the tiled set does before it joins."""
    settings, space = ScorerSettings.load(arguments), f"{own.group}.{STANDARD_TILES.label}"
    redis_url = settings.redis.get_secret_value()
    home, store = state_home(redis_url, space, PARTITIONS), RedisStateStore(redis_url, space)
    prove_state_is_made(home, settings, "", STANDARD_TILES, TopicAdmin(own.kafka), store)


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
