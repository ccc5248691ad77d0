"""Progress of commands: nothing of a quick step, a line each few seconds of a long one, and stdout
left to answers.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from rich.progress import Progress

from riskstream.cli import data, dlq, kernels, labels, logged, parity, progress, report
from riskstream.cli.features import command as features_command
from riskstream.cli.main import root
from riskstream.cli.progress import bar
from riskstream.cli.terminal_bar import LeftColumn
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.runtime.steps import Advance
from riskstream.workbench.demo.view import View
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.rows.transactions import Reading
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train


class Told:
    """Steps that remember what they were told: by name how much was done, and of how much."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Advance]:
        self.totals[name] = total
        self.done.setdefault(name, 0)

        def advance(more: int) -> None:
            self.done[name] += more

        yield advance


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history.parquet"
    pq.write_table(simulate(Simulation(seed=3, customers=800, days=30)), path)
    return path


def test_a_quick_step_says_nothing_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bar("read", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_a_long_step_says_a_line_each_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    said = ""
    with bar("read", 4_000) as advance:
        advance(1_000)
        while not said:
            said = capsys.readouterr().err
            time.sleep(0.005)
    assert said.startswith("read: 1,000 of 4,000 done, ")
    assert said.splitlines()[0].endswith(" s left")
    assert "read: 1,000 done in " in capsys.readouterr().err


@pytest.mark.parametrize(("done", "is_told"), [(2, False), (98, False), (100, True), (900, True)])
def test_the_time_left_is_told_once_a_tenth_is_done(done: int, is_told: bool) -> None:
    assert (" s left" in progress._said("trees", done, 1000, 5.0)) == is_told
    now = [0.0]
    shown = Progress(get_time=lambda: now[0])
    task = shown.add_task("trees", total=1000)
    for _ in range(2):
        now[0] += 1.0
        shown.advance(task, done / 2)
    assert (LeftColumn().render(shown.tasks[0]).plain != "-:--:--") == is_told


def test_a_step_that_counts_nothing_says_that_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    said = ""
    with bar("reports", None):
        while not said:
            said = capsys.readouterr().err
            time.sleep(0.005)
    assert said.startswith("reports: 0 s so far")
    assert "reports: done in 0" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_and_stdout_stays_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for total in (5, None):
        with bar("read", total) as advance:
            print("an answer")
            advance(5)
    seen = capsys.readouterr()
    assert seen.out == "an answer\nan answer\n"
    assert "read" in seen.err


def test_reading_features_and_training_tell_how_far_they_are(history: Path, tmp_path: Path) -> None:
    told = Told()
    rows = read_dataset(history, STANDARD, Reading(steps=told.step))
    n = len(rows.labels)
    assert told.totals["read"] == told.done["read"] == n
    assert told.totals["features"] == told.done["features"] == n
    assert told.done["check that no row knows a later one"] > n
    train(rows, STANDARD, FitSettings(trees=10), tmp_path / "model", told.step)
    assert told.done["trees"] == told.totals["trees"] == 10
    assert told.done["resamples"] == told.totals["resamples"] == 2000
    assert "checks of the model" in told.totals


def test_a_command_that_reads_a_file_tells_its_steps(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    monkeypatch.setattr(data, "bar", told.step)
    arguments = ["--data", str(history), "--out", str(tmp_path / "out.parquet")]
    done = CliRunner().invoke(features_command, arguments)
    assert done.exit_code == 0, done.output
    dry = CliRunner().invoke(root, ["rules", "dry-run", "--data", str(history)])
    assert dry.exit_code == 0, dry.output
    assert told.done["read"] == 2 * told.totals["read"] > 0  # type: ignore[operator]  # a number
    assert told.done["features"] == told.totals["features"]


@pytest.mark.parametrize("module", [data, dlq, kernels, labels, logged, parity, report])
def test_commands_with_long_steps_have_a_bar(module: object) -> None:
    assert getattr(module, "bar", None) is bar


def test_the_demo_says_how_far_a_step_is(capsys: pytest.CaptureFixture[str]) -> None:
    with View() as view, view.step("trees", 200) as advance:
        advance(1)
    assert "trees: done 0 of 200" in capsys.readouterr().out


def test_commands_of_service_images_need_no_rich() -> None:
    """`riskstream compile` runs in the scorer's image, `riskstream report` in the reporter's."""
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "import riskstream.cli.kernels, riskstream.cli.report\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
