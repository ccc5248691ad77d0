"""Rules and lists that are changed while the scorer runs."""

import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.support.builders import NOW_MS, frame
from tests.support.world import World

from riskstream.cli.lists import command as lists
from riskstream.cli.rules import command as rules
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Score
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.rule_records import RULES
from riskstream.platform.kafka.clients.produce import put
from riskstream.runtime.errors import Fatal
from riskstream.workbench.simulator.simulate import Simulation, simulate

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
        self.scores: list[Score] = []

    def once(self, **changes: Any) -> Score:
        row = frame(
            customer_id=self.customer,
            transaction_id=f"{self.customer}-{self._sent}",
            occurred_at=NOW_MS + self._sent * 60_000,
            **changes,
        )
        self._world.send([(self.customer.encode(), row)])
        self._sent += 1
        self.scores = self._world.scores(self._sent)
        return self.scores[-1]

    def until(self, is_so: Callable[[Score], bool]) -> Score:
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
    lines = "".join(f"    {name}: {value}\n" for name, value in rule.items()).replace(
        "    id", "  - id", 1
    )
    path = folder / "rules.yaml"
    path.write_text(f"rules:\n{lines}lists:\n  l-{tag}: [nobody]\n")
    return str(path)


def test_a_rule_is_put_on_asks_its_list_and_is_put_off_while_the_scorer_runs(
    world: World, data: Path, tmp_path: Path
) -> None:
    asked, tag = Asked(world), world.tag
    assert asked.once().rules_version is None
    on = _run(
        rules,
        "on",
        _file(tmp_path, tag),
        "--kafka",
        world.kafka,
        "--data",
        str(data),
        "--by",
        "ann",
    )
    assert f"mine-{tag} v1 is on" in on.output
    first = asked.until(lambda score: score.rules_version is not None)
    assert first.rules == (), "the customer is not in the list"
    assert (
        f"l-{tag} v2"
        in _run(lists, "add", f"l-{tag}", asked.customer, "--kafka", world.kafka).output
    )
    hit = asked.until(lambda score: score.rules != ())
    assert (hit.decision, hit.rules, hit.reasons[0]) == ("BLOCK", (f"mine-{tag}",), "RULE_MINE")
    assert hit.rules_version != first.rules_version
    shown = _run(rules, "show", "--kafka", world.kafka).output
    assert "1 rule on" in shown
    assert re.search(rf"mine-{tag} v1 on: .*\n  changed .* by ann; matched [1-9]\d* of ", shown)
    ended = ("--until", "2020-01-31", "--note", "case 7", "--kafka", world.kafka)
    _run(lists, "add", f"l-{tag}", asked.customer, *ended)
    assert asked.until(lambda score: score.rules == ()).rules_version != hit.rules_version
    _run(rules, "off", f"mine-{tag}", "--kafka", world.kafka)
    last = asked.until(lambda score: score.rules_version is None)
    assert last.rules == ()
    assert "RULE_MINE" not in last.reasons
    srcs = [score.src for score in asked.scores]
    assert srcs == sorted(set(srcs)), "none lost, none twice"
    assert _run(lists, "show", f"l-{tag}", "--kafka", world.kafka).output.splitlines() == sorted(
        ["nobody", f"{asked.customer}  ended 2020-02-01 00:00:00 UTC  case 7"]
    )


def test_records_that_are_wrong_break_neither_scorers_nor_commands_and_are_taken_out(
    world: World, data: Path, tmp_path: Path
) -> None:
    asked, mine = Asked(world), f"mine-{world.tag}"
    on = (
        "on",
        _file(tmp_path, world.tag, when="base_amount_minor > 99_999_999"),
        "--kafka",
        world.kafka,
        "--data",
        str(data),
    )
    assert f"{mine} v1 is on" in _run(rules, *on).output
    first = asked.until(lambda score: score.rules_version is not None)
    wrong = {
        mine.encode(): b"junk",
        b"\xff-empty": b"",
        f"far-{world.tag}".encode(): b"\0\xde\xad\xbe\xefjunk",
        f"large-{world.tag}".encode(): b"\xff" * 1_030_000,
        f"else-{world.tag}".encode(): _rule_record(f"second-{world.tag}"),
    }
    for key, value in wrong.items():
        put(world.kafka, RULES, key, value)
    put(
        world.kafka,
        RULES,
        f"bad-{world.tag}".encode(),
        _rule_record(f"bad-{world.tag}", when="no_such_thing > 1"),
    )
    for reason, count in {
        "unreadable": 2,
        "schema": 1,
        "too_large": 1,
        "key": 1,
        "rule": 1,
    }.items():
        _wait_for_refused(world, reason, count)
    assert asked.once().rules_version == first.rules_version, "what stood there before stays"
    shown = _run(rules, "show", "--kafka", world.kafka).output
    assert "1 rule on" in shown
    assert "6 records refused" in shown
    assert f"{mine} v1 on" in shown
    assert (
        f"key 'bad-{world.tag}': bad-{world.tag}: there is no field or feature "
        "no_such_thing: correct the rule" in shown
    )

    _run(rules, "off", f"bad-{world.tag}", "--kafka", world.kafka)
    places = [
        line.split()[1]
        for line in shown.splitlines()
        if line.startswith("refused: rules.v1:") and "bad-" not in line
    ]
    assert len(places) == len(wrong)
    cleared = _run(rules, "clear", *places, "--kafka", world.kafka).output
    assert cleared.count("nothing stands there now") == 4
    assert cleared.count("what stood there before stands again") == 1
    _wait_for_refused(world, "unreadable", 0)
    shown = _run(rules, "show", "--kafka", world.kafka).output
    assert "1 rule on" in shown
    assert "0 records refused" in shown
    with pytest.raises(Fatal, match="is refused, and nothing was taken out"):
        _run(rules, "clear", places[0], "--kafka", world.kafka)
    _run(rules, "off", mine, "--kafka", world.kafka)
    asked.until(lambda score: score.rules_version is None)


def _rule_record(rule_id: str, **changes: Any) -> bytes:
    return codec("rule.v1").encode(
        {
            "rule_id": rule_id,
            "version": 1,
            "is_on": True,
            "when": "score > 2",
            "action": "BLOCK",
            "reason": "R",
            "max_share": 0.5,
            "feature_set": STANDARD.label,
            "changed_at": 1,
            "changed_by": "",
            **changes,
        }
    )


def _wait_for_refused(world: World, reason: str, count: int) -> None:
    line = f'riskstream_scorer_rules_refused{{reason="{reason}",topic="rules.v1"}} {count:.1f}\n'
    url = f"{world.chain.services['scorer'].telemetry}/metrics"
    end = time.monotonic() + DEADLINE_S
    while line not in (said := urllib.request.urlopen(url, timeout=5).read().decode()):
        assert time.monotonic() < end, [
            each for each in said.splitlines() if "rules_refused" in each
        ]
        time.sleep(0.05)


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
        _run(
            rules,
            "on",
            _file(tmp_path, world.tag),
            "--id",
            "other",
            "--kafka",
            world.kafka,
            "--data",
            str(data),
        )
    with pytest.raises(Fatal, match="no field or feature nothing"):
        _run(
            rules,
            "on",
            _file(tmp_path, world.tag, when="nothing > 1"),
            "--kafka",
            world.kafka,
            "--data",
            str(data),
        )
