"""Every page that we write, in a real Chromium: 390 pixels wide, dark, and readable without
colours.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.support.browser import looked_at

from riskstream.cli.check import command as check
from riskstream.cli.compare import command as compare_command
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.reporter.page import MAX_BARS
from riskstream.reporter.page import page as report_page
from riskstream.reporter.sums import TOP_CUSTOMERS
from riskstream.runtime.durations import HOUR_MS
from riskstream.workbench.checks.compare import compare
from riskstream.workbench.checks.compare_page import page as compare_page
from riskstream.workbench.checks.evaluate import curves, evaluate
from riskstream.workbench.checks.page import page as evaluation_page
from riskstream.workbench.checks.scored import Scored
from riskstream.workbench.checks.slices import slices
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate

NARROW, WIDE = 390, 1100
LONG = "customer-with-a-very-long-identifier-" + "0123456789" * 6


def _report(windows: int) -> dict[str, object]:
    """A report of so many hours, with a difference and a window that is open."""
    sums = {
        "transactions": 12_345,
        "amount_minor": 987_654_321_00,
        "alerts": 321,
        "blocked": 32,
        "alert_amount_minor": 4_321_098_00,
        "refunds": 12,
        "refund_amount_minor": 32_100,
        "corrected": 3,
        "corrected_amount_minor": 4_500,
    }
    hours = [
        {
            **sums,
            "customers": 900,
            "start_at": at * HOUR_MS,
            "end_at": (at + 1) * HOUR_MS,
            "is_complete": at + 1 < windows,
            "is_reconciled": at != 3,
        }
        for at in range(windows)
    ]
    return {
        "report_id": "hourly-20240101T000000Z",
        "grain": "HOURLY",
        "window_start_at": 0,
        "window_end_at": windows * HOUR_MS,
        "as_of": windows * HOUR_MS,
        "base_currency": "EUR",
        "totals": sums,
        "control": sums,
        "customers": 4_321,
        "is_reconciled": False,
        "is_complete": False,
        "whole_from": HOUR_MS,
        "unreadable": 7,
        "position": {str(at): 10**9 + at for at in range(64)},
        "windows": hours,
        "top_customers": [{"customer_id": LONG, **sums}] * TOP_CUSTOMERS,
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """HTML of each page by name, of made-up data."""
    folder = tmp_path_factory.mktemp("pages")
    path = folder / "a file of transactions with a long name.parquet"
    table = simulate(Simulation(seed=3, customers=300, days=20))
    pq.write_table(table, path)
    wrong = folder / "wrong.parquet"
    early = pc.if_else(pc.less(pa.array(range(len(table))), 3), 1000, table["occurred_at"])
    at = table.column_names.index("occurred_at")
    pq.write_table(table.set_column(at, "occurred_at", early), wrong)
    written = {}
    for name, file in (("check", path), ("check of a wrong file", wrong)):
        out = folder / f"{name}.html"
        done = CliRunner().invoke(check, [str(file), "--page", str(out)])
        assert out.exists(), (done.output, done.exception)
        written[name] = out.read_text()
    rows = read_dataset(path, STANDARD)
    score = np.clip(0.4 * rows.labels + np.random.default_rng(1).random(len(rows.labels)) / 2, 0, 1)
    data = Scored(
        score=score,
        label=rows.labels,
        alerted=score > 0.5,
        customer=rows.customers,
        occurred_at=rows.occurred_at,
        amount_minor=rows.amounts_minor,
        base_currency="EUR",
        left_out={"without_label": 1234, "repeated_score": 1},
    )
    other = replace(data, score=score / 2, alerted=score > 0.6)
    figures = evaluate(data, 100)
    written["evaluation"] = evaluation_page(
        "Evaluation of made-up scores",
        figures,
        curves(data),
        slices(data, rows.rows, STANDARD, 100),
        [("Trained on", "12,345 transactions"), ("A long fact", "a" * 120)],
    )
    written["comparison"] = compare_page(
        "Comparison of one and another",
        ("build/one", "build/another"),
        compare(data, other, 100),
        [curves(data), curves(other)],
    )
    written["report"] = report_page(_report(MAX_BARS + 60))
    return written


def test_each_page_fits_390_pixels_and_a_desk(pages: dict[str, str]) -> None:
    for width in (NARROW, WIDE):
        found = looked_at(pages, width)
        assert set(found) == set(pages)
        assert {name: each["wide"] for name, each in found.items() if each["wide"] > width} == {}
        for fault in ("small", "cut"):
            assert {name: each[fault] for name, each in found.items() if each[fault]} == {}


def test_each_text_can_be_read_in_the_light_and_in_the_dark(pages: dict[str, str]) -> None:
    for is_dark in (False, True):
        found = looked_at(pages, NARROW, is_dark=is_dark)
        for name, each in found.items():
            assert each["texts"] > 20, name
            assert each["faint"] == [], (name, is_dark)
            assert (max(each["ground"][:3]) < 60) == is_dark, (name, each["ground"])


def test_two_lines_of_a_chart_differ_without_their_colours(pages: dict[str, str]) -> None:
    found = looked_at({name: pages[name] for name in ("evaluation", "comparison")}, WIDE)
    for name, each in found.items():
        assert each["dashes"]["a"], name
        assert each["dashes"]["b"], name
        assert set(each["dashes"]["a"]).isdisjoint(each["dashes"]["b"]), name


def test_each_page_says_what_is_shown_and_what_is_left_out(pages: dict[str, str]) -> None:
    said = {name: " ".join(text.split()) for name, text in pages.items()}
    assert "None: every row fits." in said["check"]
    assert "<td>3</td>" in said["check of a wrong file"]
    assert "Charts and values are of the rows that fit" in said["check"]
    assert "Left out: 1,234 scored transactions without a label" in said["evaluation"]
    assert "Left out: 1,234 scored transactions without a label" in said["comparison"]
    assert f"the newest {MAX_BARS} of {MAX_BARS + 60} windows" in said["report"]
    assert f"The first {TOP_CUSTOMERS} are shown." in said["report"]
    assert "7 records could not be read" in said["report"]


def test_a_report_that_shows_all_says_so() -> None:
    report = _report(5)
    report["top_customers"] = []
    text = report_page(report)
    assert "All windows are shown." in text
    assert "All customers with an alert are shown." in text


def test_compare_writes_its_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    table = simulate(Simulation(seed=4, customers=200, days=10))
    names = ["transaction_id", "customer_id", "occurred_at", "base_amount_minor"]
    for name in ("a", "b"):
        scored = table.select(names).append_column("score", [rng.random(len(table))])
        pq.write_table(scored, tmp_path / f"{name}.parquet")
    pq.write_table(table, tmp_path / "labels.parquet")
    line = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "--resamples", "100"]
    line += ["--data", str(tmp_path / "labels.parquet"), "--page", str(tmp_path / "page.html")]
    done = CliRunner().invoke(compare_command, line)
    assert done.exit_code == 0, (done.output, done.exception)
    text = (tmp_path / "page.html").read_text()
    assert "<title>Comparison of a.parquet and b.parquet" in text
    assert "Decisions that change" in text
    assert "http" not in text
    (tmp_path / "page.html").write_text("of somebody else")
    assert CliRunner().invoke(compare_command, line).exception is not None
