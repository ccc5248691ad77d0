"""`riskstream lag`: a group of which nothing is known is told of in a sentence."""

import json

import pytest
from click.testing import CliRunner, Result

from riskstream.cli import lag
from riskstream.platform.telemetry.group_lag import GroupLag
from riskstream.runtime.errors import Fatal

ROW = GroupLag(group="works", topic="t", partition=0, events=3, seconds=1.0)
NEVER = "group never has committed nothing of a topic that is there"


class _Admin:
    def __init__(self, bootstrap: str) -> None:
        assert bootstrap == "k:1"

    def groups(self) -> list[str]:
        return ["never", "works"]


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups, one of which has committed."""
    monkeypatch.setattr(lag, "TopicAdmin", _Admin)
    monkeypatch.setattr(
        lag, "committed_lags", lambda _kafka, _admin, group: [ROW] if group == "works" else []
    )


def _lag(*arguments: str) -> Result:
    return CliRunner().invoke(lag.command, [*arguments, "--kafka", "k:1"])


@pytest.mark.parametrize("more", [[], ["--json"], ["--by-partition"]])
def test_a_group_that_never_committed_is_said_to_have_not(more: list[str]) -> None:
    done = _lag("--group", "never", *more)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith(NEVER)
    assert done.stderr.count("\n") == 1


def test_the_rows_of_the_others_are_whole_beside_it() -> None:
    done = _lag("--group", "never", "--group", "works", "--json")
    assert [json.loads(line)["group"] for line in done.stdout.splitlines()] == ["works"]
    assert NEVER in done.stderr


def test_a_group_that_is_not_there_is_one_sentence() -> None:
    done = _lag("--group", "another")
    assert isinstance(done.exception, Fatal)
    assert str(done.exception) == "no group another (k:1): use one of never, works"


def test_where_no_group_has_committed_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "committed_lags", lambda *_: [])
    assert _lag().stdout == "no group has committed yet\n"
    done = _lag("--json")
    assert (done.stdout, done.stderr) == ("", "no group has committed yet\n")
