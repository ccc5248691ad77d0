"""One contender as a process: started on a topic, measured while it works, ended."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from riskstream.domain.contracts.catalog import DEAD_LETTER_ROOM
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.record import Record
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.services import cpu_s

PARTITIONS = 4
FAST, LOOP, ONE_BY_ONE, SLOW = 600_000, 120_000, 40_000, 15_000
"""Events of the backlogs: a slower contender gets fewer."""
RECORD_BYTES = 1_048_576
"""The largest record of `transactions.v1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """A backlog drained: CPU us an event of the process, and events a second, both between 20 % and
    98 % of it.
    """

    cpu_us: float
    rate: float


@dataclass(slots=True)
class Contender:
    """`command(source, output, group)` is what to run; `events` how many it gets, by which topic
    they are in.

    `is_peer`: of others, so a run that fails is skipped. `is_scored`: its scores are compared.
    `rounds`: the most that it takes part in; None for all.
    """

    name: str
    events: int
    command: Callable[[str, str, str], list[str]]
    is_peer: bool = False
    is_scored: bool = True
    rounds: int | None = None

    @property
    def slug(self) -> str:
        """The name as part of topics, groups and files."""
        return "".join(each if each.isalnum() else "-" for each in self.name)


class Process:
    """A contender's process, on the given cores."""

    def __init__(self, command: list[str], cores: set[int], log: Path) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def cpu_s(self) -> float:
        """User and system seconds so far."""
        return cpu_s(self._process.pid)

    def check(self) -> None:
        if self._process.poll() is not None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Fatal(
                what=f"a contender ended: {' '.join(last)[:200]}",
                where=str(self._log),
                do="read that log",
            )

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(25)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def letters_of(output: str) -> str:
    """The dead letters of who writes `output`: a group of its own must have a topic of its own."""
    return f"{output}.dlq"


def make_output(kafka: str, name: str, partitions: int = PARTITIONS) -> str:
    """A topic for a contender to write, and one for its dead letters."""
    make_topic(kafka, letters_of(name), RECORD_BYTES + DEAD_LETTER_ROOM, partitions)
    return make_topic(kafka, name, partitions=partitions)


def make_topic(
    kafka: str, name: str, most: int = RECORD_BYTES, partitions: int = PARTITIONS
) -> str:
    """A topic with append time, which takes records of `most` bytes."""
    config = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(most)}
    wanted = NewTopic(name, partitions, 1, config=config)
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    admin.create_topics([wanted])[name].result(20)
    return name


def drain(
    kafka: str, contender: Contender, source: str, cores: set[int], folder: Path, processes: int = 1
) -> tuple[Drain, str]:
    """Run it until everything in `source` has come out; what was measured, and the output topic,
    which has as many partitions.
    """
    run = f"{contender.slug}-{uuid.uuid4().hex[:6]}"
    admin = TopicAdmin(kafka)
    partitions = admin.partitions()[source]
    output = make_output(kafka, f"out-{run}", partitions)
    running = [
        Process(contender.command(source, output, run), cores, folder / f"{contender.slug}.log")
        for _ in range(processes)
    ]
    samples: list[tuple[int, float, float]] = []
    end = time.monotonic() + 240
    try:
        done = 0
        while done < contender.events:
            time.sleep(0.04)
            done = sum(admin.end_offsets(output, partitions))
            samples.append((done, sum(each.cpu_s() for each in running), time.monotonic()))
            for each in running:
                each.check()
            if time.monotonic() > end:
                raise Fatal(
                    what=f"{contender.name} did {done} of {contender.events} in 240 s",
                    where=output,
                    do="read its log",
                )
    finally:
        for each in running:
            each.stop()
    first = next(sample for sample in samples if sample[0] >= 0.2 * contender.events)
    last = next(sample for sample in samples if sample[0] >= 0.98 * contender.events)
    events = last[0] - first[0]
    return Drain(
        cpu_us=(last[1] - first[1]) / events * 1e6, rate=events / (last[2] - first[2])
    ), output


def first_records(kafka: str, topic: str, each: int) -> list[Record]:
    """The first `each` records of each partition."""
    out = []
    with TopicReader(kafka, [topic], committed_only=False) as reader:
        for record in reader.until_end(120):
            if record.offset < each:
                out.append(record)
            if all(at >= each for at in reader.positions.values()):
                break
    return out
