"""A change of releases.v1 while brokers come and go: tried again, made once, and not for ever."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from riskstream.cli import patience, release_desk
from riskstream.cli.release_desk import Change, Standing, change
from riskstream.platform.adapters.release_records import Head, Withdrawn
from riskstream.platform.adapters.signing import make_keys
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.sole_writer import Overtaken
from riskstream.runtime.errors import Retryable

AWAY = Retryable(what="Kafka cannot be reached", where="releases.v1")


class Topic:
    """releases.v1 in memory. `faults` by step ("begin", "read", "before", "after" the commit):
    errors of the next times.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.faults: dict[str, list[Exception]] = {}
        self.commits = 0
        self.slept: list[float] = []

    def step(self, name: str) -> None:
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def read(self, _kafka: str) -> Standing:
        self.step("read")
        return Standing(list(self.records))

    def commit(self, records: Sequence[tuple[bytes, bytes]]) -> int:
        self.step("before")
        self.commits += 1
        for key, value in records:
            at = len(self.records)
            self.records.append(
                Record(
                    topic="releases.v1",
                    partition=0,
                    offset=at,
                    appended_at=100 + at,
                    key=key,
                    value=value,
                    headers=[],
                )
            )
        self.step("after")
        return self.records[-1].appended_at


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    """The topic that `change` works on; time passes only where it waits."""
    made = Topic()

    class Writer:
        def __init__(self, *_: str) -> None:
            self.appended_at = 0

        def __enter__(self) -> Self:
            made.step("begin")
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            value: BaseException | None,
            trace: TracebackType | None,
        ) -> None: ...

        def commit(self, records: Sequence[tuple[bytes, bytes]]) -> None:
            self.appended_at = made.commit(records)

    monkeypatch.setattr(release_desk, "SoleWriter", Writer)
    monkeypatch.setattr(release_desk, "read_standing", made.read)
    monkeypatch.setattr(time, "sleep", made.slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(made.slept))
    return made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_keys(tmp_path / "key")
    return tmp_path / "key"


def _decide(standing: Standing, at: int) -> list[Change]:
    head = Head(feature_set="standard.v2", number=len(standing.records))
    return [Change(head.without(Withdrawn(release_id="r", at=at, by="ann", why="")))]


@pytest.mark.parametrize("step", ["begin", "read", "before"])
def test_a_hiccup_is_said_once_and_tried_again(
    topic: Topic, key: Path, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topic.faults = {step: [AWAY, AWAY]}
    [done], at = change("k:1", key, "ann", _decide)
    assert done.head.is_withdrawn("r")
    assert (topic.commits, at, len(topic.slept)) == (1, 100, 2)
    assert capsys.readouterr().err == (
        "Kafka cannot be reached (releases.v1); trying again for 30 s\n"
    )


@pytest.mark.parametrize("error", [AWAY, Overtaken(what="overtaken", where="releases.v1")])
def test_a_commit_that_happened_unheard_is_not_made_twice(
    topic: Topic, key: Path, error: Exception
) -> None:
    topic.faults = {"after": [error]}
    [done], at = change("k:1", key, "ann", _decide)
    assert done.head.is_withdrawn("r")
    assert (topic.commits, at) == (1, 100)


def test_brokers_that_stay_away_end_the_command(topic: Topic, key: Path) -> None:
    topic.faults = {"read": [AWAY] * 1000}
    with pytest.raises(Retryable, match="Kafka cannot be reached"):
        change("k:1", key, "ann", _decide)
    assert patience.PATIENCE_S <= sum(topic.slept) <= patience.PATIENCE_S + 1
    assert topic.commits == 0


def test_who_is_overtaken_each_time_gives_up_after_eight(topic: Topic, key: Path) -> None:
    topic.faults = {"before": [Overtaken(what="overtaken", where="releases.v1")] * 9}
    with pytest.raises(Overtaken):
        change("k:1", key, "ann", _decide)
    assert len(topic.faults["before"]) == 1
