"""`riskstream release activate --data`: the new release beside the live one, before anything
changes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from riskstream.cli import release_channel, release_compare, release_desk
from riskstream.cli.compare import command as compare_command
from riskstream.cli.release import command
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal
from riskstream.workbench.checks import compare as checks_compare
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


class _Opened:
    """Something that is opened and closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Topic:
    """releases.v1 in memory, and no scores."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records: list[Record] = []
        topic = self

        class Reader(_Opened):
            def __init__(self, *_: object) -> None: ...

            def until_end(self) -> Iterator[Record]:
                return iter(list(topic.records))

        class Writer(_Opened):
            def __init__(self, *_: object) -> None:
                self.appended_at = 0

            def commit(self, records: Sequence[tuple[bytes, bytes]]) -> None:
                for key, value in records:
                    topic.add(key, value)

        class Watch(_Opened):
            def __init__(self, *_: object) -> None:
                self.partition_count = 0

        monkeypatch.setattr(release_desk, "TopicReader", Reader)
        monkeypatch.setattr(release_desk, "SoleWriter", Writer)
        monkeypatch.setattr(release_channel, "ScoreWatch", Watch)

    def add(self, key: bytes, value: bytes) -> None:
        at = len(self.records)
        self.records.append(
            Record(
                topic="releases.v1",
                partition=0,
                offset=at,
                appended_at=at,
                key=key,
                value=value,
                headers=[],
            )
        )


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    return Topic(monkeypatch)


def _run(run: Any, *given: object, code: int = 0) -> Result:
    result = CliRunner().invoke(run, [str(each) for each in given])
    if result.exception and not (
        isinstance(result.exception, SystemExit) and result.exit_code == code
    ):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, a key, and releases of two models: `one`, and `two`, which is worse."""
    out = tmp_path_factory.mktemp("releases")
    pq.write_table(simulate(Simulation(seed=8, customers=400, days=20)), out / "in.parquet")
    _run(command, "keygen", "--out", out / "key")
    data = read_dataset(out / "in.parquet", STANDARD)
    for name, trees, leaves in (("one", 20, 31), ("two", 2, 4)):
        train(data, STANDARD, FitSettings(trees=trees, leaves=leaves), out / name)
        release = out / f"{name}.release"
        _run(command, "pack", out / name, "--key", out / "key", "--out", release)
    return out


def _activate(folder: Path, name: str, *given: object, code: int = 0) -> Result:
    key = ("--key", folder / "key", "--kafka", "k:1", "--wait-s", 0)
    return _run(command, "activate", folder / f"{name}.release", *key, *given, code=code)


def test_the_new_release_is_shown_beside_the_live_one_as_compare_shows_two_models(
    topic: Topic, folder: Path
) -> None:
    data = ("--data", folder / "in.parquet")
    assert (
        "no release is active: there is none to compare with"
        in _activate(folder, "one", *data).stdout
    )
    written = len(topic.records)
    shown = _activate(folder, "two", *data, "--dry-run")
    assert len(topic.records) == written, "nothing was activated"
    compared = _run(compare_command, folder / "one", folder / "two", *data).stdout
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("A is release ")
    assert ", which is live; B is release " in lines[0]
    assert lines[1:] == compared.splitlines()
    assert "warning: on these rows average_precision of the new release is worse: " in shown.stderr
    done = _activate(folder, "two", *data)
    assert done.stdout.splitlines()[:-1] == lines
    assert "is active: model" in done.stdout
    assert len(topic.records) == written + 2, "the content and the head"
    again = _activate(folder, "two", *data, "--dry-run").stdout
    assert "is active already: there is nothing to compare" in again


def test_what_changes_while_it_is_compared_stops_the_activation(
    topic: Topic, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _activate(folder, "one")
    real = checks_compare.compare

    def meanwhile(*given: Any) -> dict[str, Any]:
        monkeypatch.setattr(release_compare, "compare", real)
        _activate(folder, "one", "--by", "bob")
        return real(*given)

    monkeypatch.setattr(release_compare, "compare", meanwhile)
    written = len(topic.records)
    with pytest.raises(Fatal, match=r"meanwhile bob activated .*, and nothing was activated"):
        _activate(folder, "two", "--data", folder / "in.parquet")
    assert len(topic.records) == written + 2, "bob's alone"


def test_rows_without_labels_and_a_dry_run_without_rows_change_nothing(
    topic: Topic, folder: Path, tmp_path: Path
) -> None:
    _activate(folder, "one")
    written = len(topic.records)
    path = tmp_path / "unlabelled.parquet"
    pq.write_table(pq.read_table(folder / "in.parquet").drop_columns(["is_fraud"]), path)
    with pytest.raises(Fatal, match="column is_fraud is missing"):
        _activate(folder, "two", "--data", path)
    with pytest.raises(Fatal, match="give --data, or leave out --dry-run"):
        _activate(folder, "two", "--dry-run")
    assert len(topic.records) == written


def test_a_live_release_without_its_content_is_said_and_not_compared(
    topic: Topic, folder: Path
) -> None:
    _activate(folder, "one")
    topic.records = [each for each in topic.records if each.key and b"head." in each.key]
    said = _activate(folder, "two", "--data", folder / "in.parquet")
    assert "warning: nothing is compared: the content of the active release" in said.stderr
    assert "is active: model" in said.stdout
