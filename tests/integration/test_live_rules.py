"""Rules and lists that are changed while the scorer runs."""

import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.support.builders import NOW_MS, frame
from tests.support.world import World

from riskstream.cli.lists import command as lists
from riskstream.cli.rules import command as rules
from riskstream.runtime.errors import Fatal
from riskstream.simulator.simulate import Simulation, simulate

DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "in.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=300, days=20)), path)
    return path


def _run(command: Any, *given: str) -> Result:
    result = CliRunner().invoke(command, list(given))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Asked:
    """Sends one transaction after another of one customer, and gives the score of each."""

    def __init__(self, world: World) -> None:
        self._world, self._sent = world, 0
        self.customer = f"{world.tag}-c"
        self.scores: list[dict[str, Any]] = []

    def once(self, **changes: Any) -> dict[str, Any]:
        row = frame(
            customer_id=self.customer, transaction_id=f"{self.customer}-{self._sent}", occurred_at=NOW_MS + self._sent * 60_000,
            **changes,
        )  # fmt: skip
        self._world.send([(self.customer.encode(), row)])
        self._sent += 1
        self.scores = self._world.scores(self._sent)
        return self.scores[-1]

    def until(self, is_so: Any) -> dict[str, Any]:
        end = time.monotonic() + DEADLINE_S
        while not is_so(score := self.once()):
            assert time.monotonic() < end, score
        return score


def _file(folder: Path, tag: str, **changes: Any) -> str:
    rule = {
        "id": f"mine-{tag}",
        "when": f'customer_id in lists["l-{tag}"]',
        "action": "BLOCK",
        "reason": "RULE_MINE",
        **changes,
    }
    lines = "".join(f"    {name}: {value}\n" for name, value in rule.items()).replace("    id", "  - id", 1)
    path = folder / "rules.yaml"
    path.write_text(f"rules:\n{lines}lists:\n  l-{tag}: [nobody]\n")
    return str(path)


def test_a_rule_is_put_on_asks_its_list_and_is_put_off_while_the_scorer_runs(
    world: World, data: Path, tmp_path: Path
) -> None:
    asked, tag = Asked(world), world.tag
    assert asked.once()["rules_version"] is None
    on = _run(rules, "on", _file(tmp_path, tag), "--kafka", world.kafka, "--data", str(data), "--by", "ann")
    assert f"mine-{tag} v1 is on" in on.output
    first = asked.until(lambda score: score["rules_version"])
    assert first["rules"] == [], "the customer is not in the list"
    assert f"l-{tag} v2" in _run(lists, "add", f"l-{tag}", asked.customer, "--kafka", world.kafka).output
    hit = asked.until(lambda score: score["rules"])
    assert (hit["decision"], hit["rules"], hit["reasons"][0]) == ("BLOCK", [f"mine-{tag}"], "RULE_MINE")
    assert hit["rules_version"] != first["rules_version"]
    assert "1 rules are on" in _run(rules, "show", "--kafka", world.kafka).output
    _run(rules, "off", f"mine-{tag}", "--kafka", world.kafka)
    last = asked.until(lambda score: score["rules_version"] is None)
    assert last["rules"] == []
    assert "RULE_MINE" not in last["reasons"]
    srcs = [score["src"] for score in asked.scores]
    assert srcs == sorted(set(srcs)), "none lost, none twice"
    assert _run(lists, "show", f"l-{tag}", "--kafka", world.kafka).output.split() == sorted(["nobody", asked.customer])


def test_a_rule_that_would_stop_too_much_is_refused_and_nothing_is_put_on(
    world: World, data: Path, tmp_path: Path
) -> None:
    file = _file(tmp_path, world.tag, when="base_amount_minor >= 0", max_share=0.1)
    refused = _run(rules, "on", file, "--kafka", world.kafka, "--data", str(data))
    assert refused.exit_code == 1
    assert "stops 100.00 %" in refused.output
    assert f"mine-{world.tag}" not in _run(rules, "show", "--kafka", world.kafka).output


def test_what_is_not_there_is_one_sentence(world: World, data: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="there is no rule nope"):
        _run(rules, "off", "nope", "--kafka", world.kafka)
    with pytest.raises(Fatal, match="there is no list nope"):
        _run(lists, "remove", "nope", "x", "--kafka", world.kafka)
    with pytest.raises(Fatal, match="there is no rule other"):
        _run(rules, "on", _file(tmp_path, world.tag), "--id", "other", "--kafka", world.kafka, "--data", str(data))
    with pytest.raises(Fatal, match="no field or feature nothing"):
        _run(rules, "on", _file(tmp_path, world.tag, when="nothing > 1"), "--kafka", world.kafka, "--data", str(data))
