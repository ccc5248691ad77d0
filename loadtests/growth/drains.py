"""Costs of the whole scorer on a real broker: by partitions, and by processes."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from loadtests.growth.curves import Curve, Point
from loadtests.model import small_model
from loadtests.peers.contender import Contender, Drain, drain, letters_of, make_topic
from loadtests.peers.data import send, transactions
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.workbench.local.stack import Stack

PARTITIONS = (1, 4, 16, 64)
PROCESSES = (1, 2, 4, 8)
_AMONG = 16
"""Partitions that processes share."""
_EVENTS, _ROUNDS = 900_000, 3
"""So many that the opening of 64 partitions is over in the first fifth, which is not counted."""


def by_partitions_and_processes(folder: Path, say: Callable[[str], None]) -> list[Curve]:
    """CPU us an event of all scorers together, and their rate with the broker beside them."""
    table = transactions(_EVENTS, seed=1, end_ms=int(time.time() * 1000) - 60_000)
    model = small_model(folder / "model")
    counts = [(count, 1) for count in PARTITIONS] + [(_AMONG, count) for count in PROCESSES]
    found: dict[tuple[int, int], list[Drain]] = {}
    with Stack(folder / "stack", progress=say) as stack:
        TopicAdmin(stack.kafka).apply(list(topics().values()), DEFAULT_PARTITIONS)
        for count in PARTITIONS:
            send(stack.kafka, make_topic(stack.kafka, f"tx-{count}", partitions=count), table)
        scorer = Contender("scorer", _EVENTS, _command(stack, model))
        for number in range(_ROUNDS):
            for partitions, processes in dict.fromkeys(counts):
                result, _ = drain(
                    stack.kafka, scorer, f"tx-{partitions}", {0, 1}, folder, processes
                )
                found.setdefault((partitions, processes), []).append(result)
                say(
                    f"round {number + 1}: {partitions} partitions, {processes} processes: "
                    f"{result.cpu_us:.2f} us, {result.rate:,.0f}/s"
                )
    shutil.rmtree(folder / "stack", ignore_errors=True)
    unit = "us an event"
    return [
        Curve(
            name="partitions",
            what="partitions, one process",
            unit=unit,
            points=[_point(count, found[count, 1]) for count in PARTITIONS],
        ),
        Curve(
            name="processes",
            what=f"processes, {_AMONG} partitions",
            unit=unit,
            points=[_point(count, found[_AMONG, count]) for count in PROCESSES],
        ),
    ]


def _point(at: int, drains: list[Drain]) -> Point:
    rate = median(each.rate for each in drains)
    return Point(at=at, cost=median(each.cpu_us for each in drains), more={"events/s": rate})


def _command(stack: Stack, model: Path) -> Callable[[str, str, str], list[str]]:
    return lambda source, output, group: [
        *(sys.executable, "-m", "riskstream.scorer", "--kafka", stack.kafka),
        *("--redis", stack.redis, "--model", str(model), "--source", source),
        *("--output", output, "--group", group, "--dead-letters", letters_of(output)),
        *("--log-level", "warning"),
    ]
