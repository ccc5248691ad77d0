"""A load of stages on one HTTP door, open loop, held to thresholds: build/load/<door>.html.

`python -m loadtests.gateway.load URL --door decisions --stages 50x10,500x10,50x10 --key rsk_…`
"""

import argparse
import html
import json
import math
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from loadtests.gateway.driver import Driver

OUT = Path("build/load")
Said = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A route: its path, how many records a request has, which statuses are as they should be, and
    the most milliseconds of the 99th percentile.
    """

    path: str
    items: int = 1
    right: tuple[int, ...] = (200,)
    p99_ms: float = 150


DOORS = {
    "decisions": Door(path="/v1/decisions?deadline_ms=150", p99_ms=200),
    "transactions": Door(path="/v1/transactions", right=(202,)),
    "labels": Door(path="/v1/labels", right=(202,)),
    "batch": Door(path="/v1/transactions:batch", items=100, right=(200, 429), p99_ms=1000),
    "iso20022": Door(path="/v1/iso20022", right=(207, 429), p99_ms=1000),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """So many requests a second, for so many seconds."""

    rate: float
    seconds: float


def stages_of(text: str) -> list[Stage]:
    """`50x10,500x60`: 50 a second for 10 s, then 500 for 60. ValueError where it is none."""
    out = [Stage(*map(float, each.split("x"))) for each in text.split(",")]
    if not all(0 < each.rate <= 1e5 and 0 < each.seconds <= 86_400 for each in out):
        raise ValueError("rates and seconds are more than 0")
    return out


def percentile(sorted_ms: list[float], share: float) -> float:
    """By nearest rank; 0 of nothing."""
    return sorted_ms[max(math.ceil(share * len(sorted_ms)) - 1, 0)] if sorted_ms else 0.0


def figures(said: Said, stage: Stage, door: Door) -> dict[str, Any]:
    """What a stage came to. `problems` are the thresholds that it broke."""
    took = sorted(each["took_ms"] for each in said)
    statuses = Counter(each["status"] for each in said)
    wrong = sum(count for status, count in statuses.items() if status not in door.right)
    found: dict[str, Any] = {
        "rate": stage.rate,
        "seconds": stage.seconds,
        "requests": len(said),
        "records": len(said) * door.items,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "p50_ms": round(percentile(took, 0.5), 2),
        "p99_ms": round(percentile(took, 0.99), 2),
        "most_ms": round(took[-1], 2) if took else 0.0,
    }
    problems = [f"{wrong} of {len(said)} were not answered as they should be"] if wrong else []
    if found["p99_ms"] > door.p99_ms:
        problems.append(f"the 99th percentile is {found['p99_ms']} ms, {door.p99_ms:g} at most")
    return {**found, "problems": problems}


def page(name: str, url: str, found: list[dict[str, Any]]) -> str:
    """The result as HTML, which asks no other host."""
    head = ("stage", "requests", "records", "statuses", "p50 ms", "p99 ms", "most ms", "thresholds")
    rows = [
        (
            f"{each['rate']:g}/s for {each['seconds']:g} s",
            f"{each['requests']:,}",
            f"{each['records']:,}",
            ", ".join(f"{status}: {count:,}" for status, count in each["statuses"].items()),
            *(f"{each[key]:g}" for key in ("p50_ms", "p99_ms", "most_ms")),
            "; ".join(each["problems"]) or "hold",
        )
        for each in found
    ]
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    titles = "".join(f"<th>{each}</th>" for each in head)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Load</title>'
        "<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;margin:1rem auto;"
        "max-width:70rem;padding:0 1rem}div{overflow-x:auto}td,th{text-align:left;"
        "padding:.3rem .8rem .3rem 0;vertical-align:top}</style>"
        f"<h1>{html.escape(name)}</h1><p>{html.escape(url)}, open loop: a request is timed "
        f"from when it was due. {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}.</p>"
        f"<div><table><tr>{titles}</tr>{body}</table></div></html>\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.gateway.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--door", choices=DOORS, default="decisions")
    parser.add_argument("--stages", type=stages_of, default=stages_of("50x5,200x20,50x5"))
    parser.add_argument("--key", default="", help="API key or token")
    parser.add_argument("--p99-ms", type=float, default=None, help="threshold, not the door's")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    door = DOORS[given.door]
    most = door.p99_ms if given.p99_ms is None else given.p99_ms
    door = Door(path=door.path, items=door.items, right=door.right, p99_ms=most)
    found = []
    for number, stage in enumerate(given.stages):
        tag = f"load-{os.getpid()}-{number}"
        driver = Driver(
            given.url, door.path, stage.rate, stage.seconds, tag, items=door.items, key=given.key
        )
        uvloop.run(driver.run())
        found.append(figures(driver.said, stage, door))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.door}.html").write_text(page(given.door, given.url, found))
    (given.out / f"{given.door}.json").write_text(json.dumps(found, indent=2) + "\n")
    broken = [problem for each in found for problem in each["problems"]]
    for each in broken:
        print(f"broken: {each}")
    print(f"{given.door}: {given.out / given.door}.html")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
