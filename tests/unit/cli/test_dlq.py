"""`riskstream dlq redrive`: a letter that somebody else wrote blocks no other."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner
from tests.support.builders import frame

from riskstream.cli import dlq
from riskstream.platform.kafka.dead_letters import DeadLetter
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal


def _letter(topic: str, offset: int) -> DeadLetter:
    record = Record(
        topic="transactions.v1.dlq",
        partition=0,
        offset=offset,
        appended_at=0,
        key=b"c-1",
        value=frame(),
        headers=[],
    )
    return DeadLetter(topic=topic, partition=0, offset=offset, reason="r", detail="", record=record)


class _Admin:
    def __init__(self, bootstrap: str) -> None:
        assert bootstrap == "k:1"

    def partitions(self) -> dict[str, int]:
        return {"labels.v1": 1, "transactions.v1": 1, "other.v1": 1}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Positions that a redrive was asked for, of five letters: three of them name no topic that is
    there.
    """
    letters = [
        _letter(each, at)
        for at, each in enumerate(["other.v1", "nowhere.v1", "other.v1", "", "nowhere.v1"])
    ]
    asked: list[str] = []

    def redrive(
        _kafka: str, _topic: str, wanted: Callable[[DeadLetter], bool], *, again: bool
    ) -> tuple[int, int]:
        assert not again
        now = [each for each in letters if wanted(each)]
        asked.extend(each.position for each in now)
        return len(now), 0

    monkeypatch.setattr(dlq, "check_currency", lambda *_: None)
    monkeypatch.setattr(dlq, "read_dead_letters", lambda *_: letters)
    monkeypatch.setattr(dlq, "redrive", redrive)
    monkeypatch.setattr(dlq, "TopicAdmin", _Admin, raising=False)
    return asked


@pytest.mark.parametrize("chosen", [["--all"], ["--reason", "r"]])
def test_letters_of_an_unknown_source_are_left_out_and_counted(
    sent: list[str], chosen: list[str]
) -> None:
    done = CliRunner().invoke(dlq.command, ["redrive", *chosen, "--kafka", "k:1"])
    assert done.exit_code == 0, done.output
    assert sent == ["0:0", "0:2"]
    assert "2 sent" in done.output
    assert (
        "2 left out: they name the source 'nowhere.v1', and there is no such topic" in done.output
    )
    assert "1 left out: they name the source ''" in done.output


def test_by_its_position_the_letter_is_sent_on_to_the_check_that_refuses_it(
    sent: list[str],
) -> None:
    CliRunner().invoke(dlq.command, ["redrive", "0:1", "--kafka", "k:1"])
    assert sent == ["0:1"]


@pytest.mark.parametrize("called", [["list"], ["show", "0:1"], ["redrive", "--all"]])
def test_a_topic_of_ours_that_holds_something_else_is_refused(called: list[str]) -> None:
    done = CliRunner().invoke(dlq.command, [*called, "--kafka", "k:1", "--topic", "scores.v1"])
    assert isinstance(done.exception, Fatal), done.exception
    assert str(done.exception) == (
        "it holds no dead letters (scores.v1): give one of labels.v1.dlq, transactions.v1.dlq"
    )


@pytest.mark.usefixtures("sent")
def test_a_reason_that_does_not_exist_is_refused_and_one_that_may_come_counts_none() -> None:
    done = CliRunner().invoke(
        dlq.command, ["list", "--kafka", "k:1", "--topic", "own.dlq", "--reason", "bad_mmc"]
    )
    assert isinstance(done.exception, Fatal), done.exception
    assert str(done.exception) == "no reason bad_mmc (own.dlq): see docs/rejects.md; there are r"
    for reason, count in (("bad_mcc", 0), ("r", 5)):
        done = CliRunner().invoke(dlq.command, ["list", "--kafka", "k:1", "--reason", reason])
        assert done.output.splitlines()[-1] == f"{count} dead letters"
