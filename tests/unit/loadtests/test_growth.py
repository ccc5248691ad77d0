"""Growth and soak: how a slope, an exponent and what did not stay flat are told."""

from pathlib import Path

import pytest
from loadtests.growth.curves import FLAT, LINEAR, Curve, Point
from loadtests.growth.page import write_page
from loadtests.soak.__main__ import warm_h
from loadtests.soak.samples import Samples, problems, slope


def _curve(power: float, most: float = FLAT) -> Curve:
    points = [Point(at=n, cost=2.0 * n**power, more={"events/s": 1.0}) for n in (1, 10, 100)]
    return Curve(name="keys", what="customers", unit="us an event", points=points, most=most)


def test_the_exponent_is_that_of_the_cost() -> None:
    assert _curve(0.5).exponent == pytest.approx(0.5)
    assert _curve(0).exponent == pytest.approx(0)
    assert (_curve(0.1).is_well, _curve(0.3).is_well) == (True, False)
    assert (_curve(1.1, LINEAR).is_well, _curve(1.2, LINEAR).is_well) == (True, False)


def test_a_page_has_a_table_and_a_chart_of_each_curve(tmp_path: Path) -> None:
    curves = [_curve(0.1).record(), _curve(0.4).record()]
    page = tmp_path / "growth.md"
    write_page(page, {"machine": "two cores", "curves": curves, "skipped": []})
    text = page.read_text()
    assert "| 100 | 3.17 | 1 |" in text
    assert "Exponent 0.10, at most 0.25: met." in text
    assert "Exponent 0.40, at most 0.25: **missed**." in text
    assert (tmp_path / "growth.svg").read_text().count("<polyline") == 2


def test_a_slope_is_that_of_the_line_through_all_points() -> None:
    assert slope([0.0, 1.0, 2.0], [5.0, 7.0, 9.0]) == pytest.approx(2)
    assert slope([0.0, 1.0, 2.0], [5.0, 8.0, 5.0]) == pytest.approx(0)
    assert slope([1.0], [5.0]) == 0


def test_what_grows_is_told() -> None:
    hours = [n / 100 for n in range(100)]
    of_files = [200.0 + 9 * each for each in hours]
    flat = Samples(hours, of_files, [100.0] * 100, [40] * 100, [n * 1.0 for n in range(100)])
    grows = Samples(
        hours,
        of_files,
        [100.0 + 2 * each for each in hours],
        [40 + n // 10 for n in range(100)],
        [n * 1.0 for n in range(100)],
    )
    figures = {"scorer": flat.record(0.1), "tracker": grows.record(0.1)}
    assert figures["scorer"]["cpu_cores"] == pytest.approx(100 / 3600, rel=0.01)
    assert figures["tracker"]["mib_an_hour"] == pytest.approx(2)
    assert figures["scorer"]["rss_mib_an_hour"] == pytest.approx(9)
    assert problems({"scorer": figures["scorer"]}, (5.0, 5.0)) == []
    assert problems(figures, (5.0, 9.0)) == [
        "tracker: memory grows by 2.00 MiB an hour",
        "tracker: 8 handles more than in the beginning",
        "p99 rises from 5.0 to 9.0 ms",
    ]


def test_the_beginning_is_not_judged() -> None:
    assert warm_h(8) == pytest.approx(0.8)
    assert warm_h(1) == pytest.approx(1 / 6)
    assert warm_h(0.3) == pytest.approx(0.1)
