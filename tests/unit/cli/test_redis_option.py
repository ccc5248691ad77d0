"""Commands that work with the scorers' Redis: its address, and what they say where it is away or no
address.
"""

import fcntl
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from riskstream.cli import rebuild, snapshots
from riskstream.cli.options import redis_option
from riskstream.platform.adapters.redis_snapshots import RedisSnapshots
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.snapshot_places import FolderPlace
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.runtime.errors import Retryable

NOWHERE = "redis://127.0.0.1:1/0"


@click.command()
@redis_option
def _asks(redis: str) -> None:
    click.echo(redis)


def test_a_redis_that_is_away_is_said_in_one_sentence(tmp_path: Path) -> None:
    store = RedisStateStore(NOWHERE, "scorer.test")
    with pytest.raises(
        Retryable, match=r"^Redis does not answer: .* \(redis://127\.0\.0\.1:1/0\)$"
    ):
        RedisSnapshots(NOWHERE, store, Shelf(FolderPlace(tmp_path), "scorer.test"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("rebuild",),
        ("snapshots", "take", "--snapshots", "."),
        ("snapshots", "restore", "--snapshots", "."),
    ],
)
def test_a_text_that_is_no_address_is_refused_and_not_repeated(arguments: tuple[str, ...]) -> None:
    group = click.Group(commands={"rebuild": rebuild.command, "snapshots": snapshots.command})
    done = CliRunner().invoke(group, [*arguments, "--redis", "secret@redis-1:6379"])
    assert done.exit_code == 2
    assert "Invalid value for '--redis': it does not begin with redis://" in done.output
    assert "secret" not in done.output


def test_the_local_stack_s_redis_is_taken_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(_asks).output == "redis://127.0.0.1:6379/0\n"
    (tmp_path / "build/local").mkdir(parents=True)
    (tmp_path / "build/local/state.json").write_text(
        json.dumps({"redis": "redis://127.0.0.1:7777/0"})
    )
    assert CliRunner().invoke(_asks).output == "redis://127.0.0.1:6379/0\n", "nobody holds it"
    with (tmp_path / "build/local/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert CliRunner().invoke(_asks).output == "redis://127.0.0.1:7777/0\n"
    assert CliRunner().invoke(_asks, ["--redis", NOWHERE]).output == f"{NOWHERE}\n"
