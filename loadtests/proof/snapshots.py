"""Redis loses the scorers' state after retention took the topics' heads: the scorers go on from
snapshots, as if nothing was lost.

The oracle is a scorer of a group of its own, with a Redis of its own that loses nothing: rows and
decisions must be the same.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import redis
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loadtests.chaos.load import Rows, make_rows
from loadtests.proof.ager import Ager
from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS, topics
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.snapshot_places import FolderPlace
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Retryable
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.kafka import Brokers
from riskstream.workbench.local.redis import RedisServer
from riskstream.workbench.local.services import Service, wait_ready

SOURCE, OUTPUT, ORACLE = "transactions.v1", "scores.v1", "oracle"
LAYOUT = STANDARD.label
DEADLINE_S = 120.0
PATIENT = {"RISKSTREAM_SCORER_STORE_READ_TIMEOUT_MS": "1000"}
"""On a busy machine a row may take longer to be read than a scorer waits; its answer is flagged
then and not the oracle's.
"""
PARTITIONS = range(DEFAULT_PARTITIONS)
_MARK = {b"#s", b"#e", b"#n", b"#identity", b"#rows_to", b"#whole_since"}
Decided = dict[tuple[int, int], tuple[Any, ...]]


def snapshots(folder: Path, model: Path, seed: int) -> tuple[Counter[str], list[str]]:
    """Emptied under load; emptied with scorers killed after the newest snapshot; set back to a
    backup before the newest one.
    """
    with ExitStack() as stack:
        drill = Drill(folder, model, make_rows(12_000, seed), stack)
        drill.send(0.4)
        backup = drill.backup()
        drill.send(0.2)
        drill.expire()
        drill.send(0.1, meanwhile=drill.redis.flushall)
        drill.compare("emptied under load")
        drill.expire()
        with drill.place_away():
            drill.send(0.05)
            drill.stop(kill=True)
        drill.redis.flushall()
        drill.restart()
        drill.send(0.1)
        drill.compare("emptied and killed")
        drill.expire()
        drill.stop()
        drill.put_back(backup)
        drill.restart()
        drill.send(0.15)
        drill.compare("an old backup put back")
        return drill.counts, drill.problems


class Drill:
    """Two scorers with snapshots every second or so, the oracle beside them, and what is
    compared.
    """

    def __init__(self, folder: Path, model: Path, rows: Rows, stack: ExitStack) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._rows, self._sent, self._restored = rows, 0, 0
        self._place = folder / "snapshots"
        self._place.mkdir(parents=True)
        self._decided: dict[str, Decided] = {OUTPUT: {}, ORACLE: {}}
        self._read: dict[str, list[int]] = {
            OUTPUT: [0] * DEFAULT_PARTITIONS,
            ORACLE: [0] * DEFAULT_PARTITIONS,
        }
        self._accepted = {topic: AcceptedScores() for topic in self._decided}
        self._chain = stack.enter_context(
            Chain(folder / "chain", model, names=(), brokers=Brokers(session_timeout_ms=2000))
        )
        other = RedisServer(folder / "oracle-redis")
        other.start()
        stack.callback(other.stop)
        self.redis: redis.Redis = redis.Redis.from_url(self._chain.stack.redis)
        self._oracle: redis.Redis = redis.Redis.from_url(other.url)
        self._ager = Ager(self._chain.stack.kafka)
        self._shelf = Shelf(FolderPlace(self._place), f"scorer.{LAYOUT}")
        self._producer = BulkProducer(self._chain.stack.kafka, "proof")
        self._make_topics()
        named = {
            "GROUP": ORACLE,
            "OUTPUT": ORACLE,
            "DEAD_LETTERS": f"{ORACLE}-letters",
            "REDIS": other.url,
        }
        oracle = self._chain.start(
            "scorer-oracle",
            {**PATIENT, **{f"RISKSTREAM_SCORER_{name}": each for name, each in named.items()}},
        )
        wait_ready([oracle])
        self._scorers: list[Service] = []
        self.restart()

    def key(self, partition: int, group: str = "scorer") -> str:
        return f"{{{group}.{LAYOUT}.{partition}}}"

    @contextmanager
    def place_away(self) -> Iterator[None]:
        """No snapshot is taken meanwhile."""
        away = self._place.with_name("away")
        self._place.rename(away)
        yield
        away.rename(self._place)

    def restart(self) -> None:
        self.stop()
        told = {
            "SNAPSHOTS": str(self._place),
            "SNAPSHOT_MINUTES": "0.02",
            "ON_STATE_LOST": "restore",
        }
        env = {**PATIENT, **{f"RISKSTREAM_SCORER_{name}": each for name, each in told.items()}}
        self._scorers = [self._chain.start(name, env) for name in ("scorer-1", "scorer-2")]
        wait_ready(self._scorers)

    def stop(self, *, kill: bool = False) -> None:
        for each in self._scorers:
            if kill:
                os.kill(each.server.pid, signal.SIGKILL)
            each.server.stop()
        self._scorers = []

    def backup(self) -> dict[int, bytes]:
        """Each partition's hash as Redis saves it."""
        return {number: self.redis.dump(self.key(number)) or b"" for number in PARTITIONS}

    def put_back(self, backup: dict[int, bytes]) -> None:
        for number, saved in backup.items():
            self.redis.restore(self.key(number), 0, saved, replace=True)

    def send(self, share: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """That share of the load; returns when both have answered it and written it down.
        `meanwhile` is called half-way.
        """
        upto = min(len(self._rows.keys), self._sent + int(share * len(self._rows.keys)))
        half = (self._sent + upto) // 2
        for first, end, then in ((self._sent, half, meanwhile), (half, upto, lambda: None)):
            self._producer.send(SOURCE, self._rows.keys[first:end], self._rows.values[first:end])
            self._producer.flush()
            then()
        self.counts["sent"] += upto - self._sent
        self._sent = upto
        ends = self._ager.ends(SOURCE)
        wanted = [end - 1 for end in ends]
        self._until(lambda: self._watermarks() == (wanted, wanted), f"watermarks at {wanted}")

    def expire(self) -> None:
        """What retention does: source and scores begin at the newest snapshot now. What comes after
        is still there.
        """
        ends = self._ager.ends(SOURCE)
        self._until(
            lambda: all(self._newest(number) == ends[number] - 1 for number in PARTITIONS),
            "snapshots of everything",
        )
        self._read_scores()
        self._ager.delete_to(SOURCE, dict(enumerate(ends)))
        for topic in (OUTPUT, ORACLE):
            self._ager.delete_to(
                topic, {number: end - 1 for number, end in enumerate(self._ager.ends(topic))}
            )
        self.counts["expired"] = sum(ends)

    def compare(self, when: str) -> None:
        """Rows in both stores, and decisions of every record that both answered."""
        self._read_scores()
        mine, theirs = self._decided[OUTPUT], self._decided[ORACLE]
        differ = [where for where in mine.keys() & theirs.keys() if mine[where] != theirs[where]]
        lone = mine.keys() ^ theirs.keys()
        if differ or lone:
            self.problems.append(
                f"{when}: {len(differ)} decisions differ, {len(lone)} are missing: {differ[:1]}"
            )
        self.counts["decisions"] = len(mine)
        rows = 0
        for number in PARTITIONS:
            held, right = (
                {
                    field: row
                    for field, row in client.hgetall(self.key(number, group)).items()
                    if field not in _MARK
                }
                for client, group in ((self.redis, "scorer"), (self._oracle, ORACLE))
            )
            rows += len(right)
            wrong = sum(held.get(field) != right.get(field) for field in held.keys() | right.keys())
            if wrong:
                self.problems.append(f"{when}: {wrong} rows of partition {number} differ")
        self.counts["rows"] = rows
        told = sum(
            each.server.log.read_text().count("state restored from a snapshot")
            for each in self._scorers
        )
        restored, self._restored = told - self._restored, told
        self.counts[f"restored, {when}"] = restored
        if restored < DEFAULT_PARTITIONS:
            self.problems.append(f"{when}: {restored} partitions were restored")

    def _watermarks(self) -> tuple[list[int], list[int]]:
        """Of the scorers, and of the oracle."""
        mine, theirs = (
            [int(client.hget(self.key(number, group), "#s") or -1) for number in PARTITIONS]
            for client, group in ((self.redis, "scorer"), (self._oracle, ORACLE))
        )
        return mine, theirs

    def _newest(self, partition: int) -> int:
        known = self._shelf.known(partition)
        return known[0].stored_src if known else -1

    def _read_scores(self) -> None:
        """Accepted scores that are new, by partition and source offset."""
        for topic, decided in self._decided.items():
            offsets = {(topic, number): at for number, at in enumerate(self._read[topic])}
            self._read[topic] = self._ager.ends(topic)
            with TopicReader(
                self._chain.stack.kafka, [topic], offsets=offsets, committed_only=False
            ) as reader:
                new = [
                    each
                    for each in reader.until_end(60)
                    if each.offset < self._read[topic][each.partition]
                ]
                for record, score in self._accepted[topic].each(new):
                    told = (score.verdict, score.decision, score.score, _bits(score.features))
                    decided[record.partition, score.src] = (*told, score.flags)
            if self._accepted[topic].rule.gaps:
                self.problems.append(f"{topic} has a hole")

    def _make_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._chain.stack.kafka})
        declared = topics()
        new = [
            NewTopic(name, DEFAULT_PARTITIONS, 1, config=dict(declared[like].config))
            for name, like in ((ORACLE, OUTPUT), (f"{ORACLE}-letters", f"{SOURCE}.dlq"))
        ]
        for future in admin.create_topics(new).values():
            future.result(20)

    def _until(self, is_so: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while not is_so():
            if time.monotonic() > end:
                raise Retryable(what=f"not within {DEADLINE_S:.0f} s: {what}", where="the drill")
            time.sleep(0.1)


def _bits(features: Sequence[float]) -> bytes:
    """A feature may be no number, which is equal to nothing."""
    return np.array(features, np.float32).tobytes()
