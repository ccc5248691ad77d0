"""Sixty seconds of chaos on 3 brokers, 2 scorers, a tracker and a reader; `make chaos` runs it for
ten minutes.
"""

from pathlib import Path

import pytest
from loadtests.chaos.proxy import kafka_client_id
from loadtests.chaos.run import run_chaos
from loadtests.chaos.schedule import plan


@pytest.mark.timeout(700)
def test_a_minute_of_chaos_changes_nothing(model: Path, tmp_path: Path) -> None:
    """Where nothing is wrong but a minute's kills hurt too little, which is chance, another seed's
    minute must.
    """
    for seed in (7, 8, 9):
        result = run_chaos(
            tmp_path / "chaos", model, minutes=1, seed=seed, rate=300, runtime="lane"
        )
        if not all(each.startswith("VACUOUS") for each in result["problems"]):
            break
    assert result["ok"], "\n".join(
        [*result["problems"], (tmp_path / "chaos" / "history.txt").read_text()]
    )
    assert min(result["counts"]["corrected"], result["counts"]["original_unknown"]) > 0, (
        "the load has corrections"
    )


def test_a_seed_is_a_plan() -> None:
    assert plan(7, 10) == plan(7, 10)
    assert plan(7, 10) != plan(8, 10)


def test_a_kafka_clients_id_is_read_from_its_first_request() -> None:
    assert (
        kafka_client_id(b"\x00\x00\x00\x2a\x00\x12\x00\x03\x00\x00\x00\x01\x00\x08scorer-1rest")
        == "scorer-1"
    )
    assert kafka_client_id(b"short") == ""
