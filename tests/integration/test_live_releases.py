"""Releases that are activated while the scorer runs."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from click.testing import CliRunner, Result
from tests.support.builders import rows
from tests.support.world import World

from riskstream.cli.release import command
from riskstream.demo.chain import Chain
from riskstream.local.services import wait_ready
from riskstream.risk.features.standard import STANDARD
from riskstream.simulator.simulate import Simulation, simulate
from riskstream.trainer.dataset import read_dataset
from riskstream.trainer.fit import FitSettings, train

DEADLINE_S = 25.0


def _run(*given: str) -> Result:
    result = CliRunner().invoke(command, list(given))
    if result.exception:
        raise result.exception
    return result


class Stream:
    """Sends good records of one tag and gives the score of the last."""

    def __init__(self, world: World) -> None:
        self._world, self.sent = world, 0

    def more(self, count: int = 20) -> list[dict[str, Any]]:
        self._world.send(rows(self._world.tag, self.sent, count))
        self.sent += count
        return self._world.scores(self.sent)

    def until(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not is_so(self.more()[-1]):
            assert time.monotonic() < end, "the release was not taken up"


def test_releases_are_swapped_refused_and_withdrawn_while_a_scorer_runs(
    bare: Chain, model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "history.parquet"
    pq.write_table(simulate(Simulation(seed=8, customers=400, days=20)), data)
    for name in ("key", "other"):
        _run("keygen", "--out", str(tmp_path / name))
    for name, leaves, key in (("one", 31, "key"), ("two", 15, "key"), ("bad", 7, "other")):
        train(read_dataset(data, STANDARD), STANDARD, FitSettings(trees=10, leaves=leaves), tmp_path / name)
        _run("pack", str(tmp_path / name), "--key", str(tmp_path / key), "--out", str(tmp_path / f"{name}.release"))
    public = tmp_path / "key.pub"
    world = World(bare)
    kafka = ("--kafka", world.kafka)
    service = bare.start("scorer", {"RISKSTREAM_SCORER_RELEASE_KEY": str(public)})
    wait_ready([service])
    stream = Stream(world)
    try:
        assert stream.more()[-1]["release_id"] is None
        ids = []
        for name in ("one", "two"):
            ids.append(
                _run("activate", str(tmp_path / f"{name}.release"), "--key", str(public), *kafka).output.split()[1]
            )
            stream.until(lambda score: score["release_id"] == ids[-1])
        _run("activate", str(tmp_path / "bad.release"), "--key", str(tmp_path / "other.pub"), *kafka)
        end = time.monotonic() + DEADLINE_S
        while "a release is refused" not in service.server.log.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert stream.more()[-1]["release_id"] == ids[1], "the one before stays"
        bad = _run("show", str(tmp_path / "bad.release")).output.split('"release": "')[1].split('"')[0]
        _run("withdraw", bad, *kafka)
        _run("withdraw", ids[1], *kafka)
        stream.until(lambda score: score["release_id"] == ids[0])
        os.kill(service.server.pid, signal.SIGKILL)
        service.server.stop()
        service = bare.start("scorer", {"RISKSTREAM_SCORER_RELEASE_KEY": str(public)})
        wait_ready([service])
        scores = stream.more()
    finally:
        service.server.stop()
    assert scores[-1]["release_id"] == ids[0], "a scorer that starts takes the active one"
    models = {(score["release_id"], score["model_version"]) for score in scores}
    assert len(models) == 3, "each release with its own model and no other"
    assert len(scores) == stream.sent, "none lost"
