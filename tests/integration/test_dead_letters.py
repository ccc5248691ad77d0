"""Dead letters: counted by position, redriven once."""

import json

from click.testing import CliRunner
from tests.support.world import World

from riskstream.cli.main import root
from riskstream.kafka.dead_letters import read_dead_letters


def _cli(world: World, *arguments: str) -> str:
    done = CliRunner().invoke(root, ["dlq", *arguments, "--kafka", world.kafka])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def _positions(world: World, count: int) -> list[str]:
    world.send([(f"{world.tag}-{number}".encode(), b"{broken}") for number in range(count)])
    world.new("transactions.v1.dlq", count, lambda record: (record.key or b"").startswith(world.tag.encode()))
    letters = read_dead_letters(world.kafka, "transactions.v1.dlq")
    return [each.position for each in letters if (each.record.key or b"").startswith(world.tag.encode())]


def test_letters_are_listed_and_shown(world: World) -> None:
    positions = _positions(world, 3)
    listed = _cli(world, "list", "--positions", "--reason", "bad_magic")
    assert all(position in listed for position in positions)
    assert "bad_magic" in _cli(world, "list")
    shown = json.loads(_cli(world, "show", positions[0]))
    assert shown["key"].startswith(world.tag)
    assert shown["headers"]["riskstream-reason"] == "bad_magic"


def test_a_position_is_redriven_once_unless_again(world: World) -> None:
    positions = _positions(world, 5)
    assert _cli(world, "redrive", *positions[:3]).startswith("3 redriven, 0 left")
    assert _cli(world, "redrive", *positions).startswith("2 redriven, 3 left")
    assert _cli(world, "redrive", *positions).startswith("0 redriven, 5 left")
    assert _cli(world, "redrive", positions[0], "--again").startswith("1 redriven, 0 left")
    mine = [each for each in world.all_new("transactions.v1") if (each.key or b"").startswith(world.tag.encode())]
    redriven = [each for each in mine if each.headers]
    assert len(redriven) == 6
    assert {each.value for each in redriven} == {b"{broken}"}
    assert sorted({(dict(each.headers)["riskstream-redriven"] or b"").decode() for each in redriven}) == sorted(
        positions
    )


def test_redrive_asks_what_is_meant(world: World) -> None:
    done = CliRunner().invoke(root, ["dlq", "redrive", "--kafka", world.kafka])
    assert done.exit_code == 2
    assert "give positions, --reason or --all" in done.output
