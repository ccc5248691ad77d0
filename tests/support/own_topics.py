"""Topics of one test alone: heads may expire and partitions be held there, and no other test meets
them.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from riskstream.domain.contracts.catalog import topics
from riskstream.domain.contracts.records import Score
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import producer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.platform.kafka.dead_letters import DeadLetter, read_dead_letters
from riskstream.platform.kafka.record import Record
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, wait_ready

PARTITIONS, DEADLINE_S = 2, 40.0


@dataclass(slots=True)
class OwnTopics:
    """A source with its output and dead letters on a running chain, two partitions each, and the
    group that reads it.
    """

    chain: Chain
    tag: str

    @staticmethod
    def made(chain: Chain) -> "OwnTopics":
        own = OwnTopics(chain, uuid.uuid4().hex[:8])
        names = [own.source, own.output, own.dead_letters]
        declared = ("transactions.v1", "scores.v1", "transactions.v1.dlq")
        new = [
            NewTopic(name, PARTITIONS, 1, config=dict(topics()[like].config))
            for name, like in zip(names, declared, strict=True)
        ]
        client = own._admin()
        for future in client.create_topics(new).values():
            future.result(20)
        admin = TopicAdmin(own.kafka)
        while not set(names) <= admin.partitions().keys():
            time.sleep(0.02)
        return own

    @property
    def kafka(self) -> str:
        return self.chain.stack.kafka

    @property
    def source(self) -> str:
        return f"source-{self.tag}"

    @property
    def output(self) -> str:
        return f"output-{self.tag}"

    @property
    def dead_letters(self) -> str:
        return f"letters-{self.tag}"

    @property
    def group(self) -> str:
        return f"group-{self.tag}"

    def start_scorer(self, **env: str) -> Service:
        """A scorer of these topics; its log is its own."""
        given = {
            "SOURCE": self.source,
            "OUTPUT": self.output,
            "DEAD_LETTERS": self.dead_letters,
            "GROUP": self.group,
        }
        named = {f"RISKSTREAM_SCORER_{name}": value for name, value in given.items()}
        return self.chain.start(f"scorer-{uuid.uuid4().hex[:6]}", {**named, **env})

    def start_ready_scorer(self, **env: str) -> Service:
        service = self.start_scorer(**env)
        wait_ready([service])
        return service

    def send(self, partition: int, rows: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        """(key, value) rows to a partition of the source; returns when the broker has them."""
        client = producer(self.kafka, "test")
        for key, value in rows:
            client.produce(self.source, value, key, partition, on_delivery=_must_be_there)
        assert client.flush(10) == 0

    def expire(self, topic: str, partition: int, before: int) -> None:
        """Take the records before an offset, as retention does."""
        client = self._admin()
        done = client.delete_records([TopicPartition(topic, partition, before)])
        for future in done.values():
            future.result(20)

    def ends(self, topic: str) -> list[int]:
        return TopicAdmin(self.kafka).end_offsets(topic, PARTITIONS)

    def kept(self, topic: str, partition: int) -> int:
        """How many records a partition still holds."""
        return (
            self.ends(topic)[partition]
            - TopicAdmin(self.kafka).end_offsets(topic, PARTITIONS, first=True)[partition]
        )

    def outputs(self, count: int) -> list[Record]:
        """`count` records of the output from its beginning, accepted or not."""
        found: list[Record] = []
        end = time.monotonic() + DEADLINE_S
        with TopicReader(self.kafka, [self.output], committed_only=False) as reader:
            while len(found) < count:
                assert time.monotonic() < end, (
                    f"{len(found)} of {count} scores within {DEADLINE_S} s"
                )
                found += reader.poll(0.1)
        return found

    def scores(self, count: int) -> list[Score]:
        """The same, decoded."""
        return [score_of(each) for each in self.outputs(count)]

    def letters(self, count: int) -> list[DeadLetter]:
        """The dead letters, once there are so many: a letter follows its score, and may not be
        there yet when that is.
        """
        found: list[DeadLetter] = []

        def are_there() -> bool:
            found[:] = read_dead_letters(self.kafka, self.dead_letters)
            return len(found) >= count

        wait_until(are_there, f"{count} dead letters")
        return found

    def wait_committed(self, partition: int, offset: int, group: str = "") -> None:
        """Return when the group (or another) has committed a partition of the source up to an
        offset.
        """
        wait_until(
            lambda: self._committed(partition, group or self.group) >= offset,
            f"a commit of {offset}",
        )

    def _committed(self, partition: int, group: str) -> int:
        return TopicAdmin(self.kafka).group_offsets(group).get((self.source, partition), 0)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka})


def wait_until(is_so: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when a call gives something true; AssertionError after the deadline."""
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(0.05)


def log_with(service: Service, text: str) -> str:
    """The service's log once `text` stands in it."""
    wait_until(lambda: text in service.server.log.read_text(), f"{text!r} in {service.server.log}")
    return service.server.log.read_text()


def _must_be_there(error: object, _: Message) -> None:
    assert error is None, error
