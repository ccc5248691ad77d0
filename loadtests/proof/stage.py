"""A cluster with load, reader and checker, for one schedule."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.chaos.check import check
from loadtests.chaos.cluster import Cluster
from loadtests.chaos.history import History
from loadtests.chaos.load import Load, Rows, make_rows
from loadtests.chaos.reader import ConcurrentReader, wait_until_flowing
from loadtests.chaos.run import settle


@dataclass(slots=True)
class Stage:
    """What a schedule acts on. `checked_model` is None where more than one model scored."""

    cluster: Cluster
    rows: Rows
    load: Load
    reader: ConcurrentReader
    history: History
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    checked_model: Path | None = None
    poison: set[bytes] = field(default_factory=set)

    @property
    def kafka(self) -> str:
        return self.cluster.chain.stack.kafka

    def wait_until_flowing(self, deadline_s: float = 20) -> None:
        wait_until_flowing(self.load, self.reader, deadline_s)

    def expect(self, what: str, is_so: bool) -> None:
        """A schedule that did not do what it is named for proves nothing."""
        if not is_so:
            self.problems.append(f"the schedule did not hurt: {what}")


def play(
    folder: Path,
    model: Path,
    seed: int,
    hurt: Callable[[Stage], None],
    *,
    brokers: int = 1,
    count: int = 12_000,
    rate: float = 300,
    env: dict[str, str] | None = None,
    reader_every_s: float = 20,
) -> tuple[Counter[str], list[str]]:
    """Start, let `hurt` act while the load runs, mend, settle, check: counts and what is wrong."""
    history = History(folder)
    with Cluster(folder / "cluster", model, brokers=brokers, env=env or {}) as cluster:
        rows = make_rows(count, seed)
        load = Load(cluster.chain.stack.kafka, rows, rate)
        reader = ConcurrentReader(cluster.chain.stack.kafka, reader_every_s)
        stage = Stage(cluster, rows, load, reader, history, checked_model=model)
        load.start()
        reader.start()
        stage.wait_until_flowing()
        hurt(stage)
        cluster.resume_all()
        load.finish()
        for name in cluster.restart_ended():
            history.note("ended by itself", name=name)
        cluster.wait_ready()
        settle(cluster, history, stage.problems)
        reader.finish()
        for service in cluster.chain.services.values():
            service.server.stop()
        time.sleep(0.5)
        found = check(
            cluster.chain.stack.kafka,
            stage.checked_model,
            rows.poison | stage.poison,
            reader.accepted,
        )
    problems = [
        *stage.problems,
        *(each for each in (load.problem, reader.problem) if each),
        *found.problems,
    ]
    stage.counts.update(found.counts)
    stage.counts["sent"] = load.sent
    history.close()
    return stage.counts, problems
