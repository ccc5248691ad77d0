"""The scorer with windows in tiles: its own model and state, and a kill in between."""

import os
import signal
from pathlib import Path

import pyarrow.parquet as pq
from tests.support.builders import rows
from tests.support.vectors import feature
from tests.support.world import World

from riskstream.domain.risk.features.standard import STANDARD_TILES
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


def test_tiled_state_survives_a_kill(bare: Chain, model: Path, tmp_path: Path) -> None:
    data = tmp_path / "history.parquet"
    pq.write_table(simulate(Simulation(seed=2, customers=400, days=20)), data)
    train(
        read_dataset(data, STANDARD_TILES),
        STANDARD_TILES,
        FitSettings(trees=10),
        tmp_path / "model",
    )
    tiled = {"RISKSTREAM_SCORER_FEATURES": "standard-tiles"}
    world = World(bare)
    bare.use_model(tmp_path / "model")
    try:
        service = bare.start("scorer", tiled)
        wait_ready([service])
        world.send(rows(world.tag, 0, 400))
        world.scores(400)
        os.kill(service.server.pid, signal.SIGKILL)
        service.server.stop()
        world.send(rows(world.tag, 400, 400))
        service = bare.start("scorer", tiled)
        wait_ready([service])
        seen: dict[str, int] = {}
        for score in world.scores(800):
            assert score.customer_id is not None
            seen[score.customer_id] = seen.get(score.customer_id, 0) + 1
            assert score.feature_set == STANDARD_TILES.label
            assert feature(score, "customer_count_30d") == seen[score.customer_id], (
                "all are within 30 days"
            )
            assert score.flags == ()
        service.server.stop()
    finally:
        bare.use_model(model)


def test_a_model_of_another_set_is_refused_with_what_to_do(bare: Chain) -> None:
    service = bare.start("scorer", {"RISKSTREAM_SCORER_FEATURES": "standard-tiles"})
    assert service.server._guard.wait(30) != 0
    said = service.server.log.read_text()
    assert f"train one on {STANDARD_TILES.label}" in said
    assert "or start with `--features standard`" in said
