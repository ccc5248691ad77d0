"""`riskstream parity` against a real chain: equal as it runs, and each kind of difference is
seen.
"""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from tests.support.builders import rows
from tests.support.world import World

from riskstream.cli.parity import command
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record, Records
from riskstream.workbench.checks.parity import ParityCheck


def _run(world: World, *more: str) -> Result:
    return CliRunner().invoke(command, ["--kafka", world.kafka, *more])


def test_every_logged_vector_is_computed_again_bit_for_bit(world: World, tmp_path: Path) -> None:
    events = rows(world.tag, 0, 1500)
    # repeats and a rejected one
    world.send([*events[:900], *events[700:900], (b"k", b"poison"), *events[900:]])
    world.scores(1701)
    result = _run(
        world, "--json", str(tmp_path / "out.json"), "--metrics", str(tmp_path / "out.prom")
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["compared"] >= 1700
    assert found["rejected"] >= 1
    assert found["vectors_differ"] == found["verdicts_differ"] == found["without_source"] == 0
    assert (
        f'riskstream_parity_vectors_differ{{feature_set="{STANDARD.label}"}} 0.0'
        in (tmp_path / "out.prom").read_text()
    )


def test_logged_vectors_are_those_that_training_computes_and_one_that_differs_is_found(
    world: World, tmp_path: Path
) -> None:
    events = rows(world.tag, 0, 600)
    world.send([*events, *events[:50]])
    world.scores(650)
    sent = [codec("transaction.v1").decode(frame) for _, frame in events]
    other = [
        {**row, "base_amount_minor": row["base_amount_minor"] + (at == 300)}
        for at, row in enumerate(sent)
    ]
    for name, table in (("sent", sent), ("other", other)):
        pq.write_table(pa.Table.from_pylist(table), tmp_path / f"{name}.parquet")
    found = {}
    for name in ("sent", "other"):
        out = tmp_path / f"{name}.json"
        result = _run(world, "--data", str(tmp_path / f"{name}.parquet"), "--json", str(out))
        found[name] = result.exit_code, json.loads(out.read_text())
    assert found["sent"][0] == 0
    assert (found["sent"][1]["offline_rows"], found["sent"][1]["offline_owned_differ"]) == (600, 0)
    assert found["other"][0] == 1
    assert found["other"][1]["offline_owned_differ"] >= 1


def _by_place(records: list[Record]) -> list[Records]:
    """The records of each topic and partition."""
    places = dict.fromkeys((each.topic, each.partition) for each in records)
    return [
        Records.of([each for each in records if (each.topic, each.partition) == place])
        for place in places
    ]


def _altered(records: list[Record], change: str) -> list[Record]:
    """The same records with one score of a good transaction changed, or one transaction gone."""
    out = []
    is_done = False
    for record in records:
        if not is_done and change == "source" and record.topic == "transactions.v1":
            is_done = True
            continue
        if not is_done and record.topic == "scores.v1" and change != "source":
            score = score_of(record)
            if score.verdict == "GOOD":
                is_done = True
                if change == "vector":
                    features = list(score.features)
                    features[STANDARD.names.index("customer_count_1h")] += 1e-3
                    score = replace(score, features=tuple(features))
                else:
                    score = replace(score, verdict="DUPLICATE")
                value = codec("score.v1").encode(score)
                out.append(replace(record, value=value))
                continue
        out.append(record)
    return out


@pytest.mark.parametrize(
    ("change", "count", "words"),
    [
        ("vector", "vectors_differ", "customer_count_1h differ"),
        ("verdict", "verdicts_differ", ("verdict 3 logged, 1 computed")),
        ("source", "without_source", "no such transaction"),
    ],
)
def test_one_changed_value_is_found(world: World, change: str, count: str, words: str) -> None:
    world.send(rows(world.tag, 0, 200))
    world.scores(200)
    with TopicReader(world.kafka, ["transactions.v1", "scores.v1"], committed_only=False) as reader:
        records = list(reader.until_end())
        check = ParityCheck(STANDARD, "transactions.v1", reader.counts["transactions.v1"], "EUR")
    altered = _altered(records, change)
    for start in range(0, len(altered), 700):
        for some in _by_place(altered[start : start + 700]):
            check.take(some)
    found = check.finish()
    assert getattr(found, count) >= 1
    assert not found.is_whole
    assert any(words in problem for problem in found.problems), found.problems


def test_a_set_that_no_score_has_compares_nothing_and_says_so(world: World) -> None:
    world.send(rows(world.tag, 0, 50))
    world.scores(50)
    result = _run(world, "--features", "standard-tiles")
    assert result.exit_code == 1
    assert "nothing to compare" in result.output
