"""Dead letters as people work with them: read once by source position, and redriven once.

What was redriven is the committed position of a group of its own: an offset up to which all were, and in its
metadata the ranges beyond it. Records and commit are one Kafka transaction.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from riskstream.kafka.admin import TopicAdmin
from riskstream.kafka.client import client_log, consumer, producing, translated
from riskstream.kafka.limits import CUT_HEADERS
from riskstream.kafka.ports import Record
from riskstream.kafka.proofs import TopicNeeds, prove_topics
from riskstream.kafka.read import TopicReader
from riskstream.runtime.errors import Fatal

REDRIVE_GROUP = "dlq-redrive"
MAX_METADATA = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter: where it stood in its source, why it was rejected, and its record in the dead-letter topic."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    record: Record

    @property
    def is_cut(self) -> bool:
        """True where it did not fit whole: headers tell the length and hash of what it was."""
        return any(name in CUT_HEADERS for name, _ in self.record.headers)

    @property
    def position(self) -> str:
        """Source position, as the commands take it."""
        return f"{self.partition}:{self.offset}"


def read_dead_letters(bootstrap: str, topic: str) -> list[DeadLetter]:
    """Every dead letter of a topic, the first of each source position, in order of position."""
    with TopicReader(bootstrap, [topic]) as reader:
        return dead_letters_of(reader.until_end())


def dead_letters_of(records: Iterable[Record]) -> list[DeadLetter]:
    """The same of records that are at hand. What a service did not write is left out."""
    found: dict[tuple[int, int], DeadLetter] = {}
    for record in records:
        headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
        try:
            partition, offset = int(headers["riskstream-partition"]), int(headers["riskstream-offset"])
        except (KeyError, ValueError):
            continue
        letter = DeadLetter(
            topic=headers.get("riskstream-topic", ""),
            partition=partition,
            offset=offset,
            reason=headers.get("riskstream-reason", ""),
            detail=headers.get("riskstream-detail", ""),
            record=record,
        )
        found.setdefault((partition, offset), letter)
    return [found[place] for place in sorted(found)]


def redrive(
    bootstrap: str, topic: str, wanted: Callable[[DeadLetter], bool], *, again: bool = False
) -> tuple[list[DeadLetter], list[DeadLetter]]:
    """(redriven now, left because they were before) of the wanted letters: original bytes and key, to their source.

    One transaction: nothing of it is seen unless all of it, and its commit, is. A redrive that began before and has not committed
    is given up, once everything that can be checked was: 1 choose, 2 check, 3 fence, 4 choose again, 5 send.
    """
    letters = [letter for letter in read_dead_letters(bootstrap, topic) if wanted(letter)]
    client = consumer(bootstrap, REDRIVE_GROUP)
    try:
        now, before, _ = _chosen(client, topic, letters, again=again)
        if not now:
            return [], before
        if cut := [letter for letter in now if letter.is_cut]:
            raise Fatal(
                what=f"dead letter {cut[0].position} was cut, as it did not fit: its bytes are not what its source held",
                where=topic, do="leave it out, and send its record anew from where it came", exit_code=2,
            )  # fmt: skip
        prove_topics(TopicAdmin(bootstrap), TopicNeeds(reads=sorted({letter.topic for letter in now})), bootstrap)
        producer = _transactional(bootstrap)
        now, before, done = _chosen(client, topic, letters, again=again)  # what the one before committed meanwhile
        if now:
            offsets = [_commit_of(topic, number, mine) for number, mine in done.items()]
            _send(producer, client.consumer_group_metadata(), now, offsets)
        return now, before
    except KafkaException as error:
        raise translated(error, topic) from error
    finally:
        client.close()


def _chosen(
    client: Consumer, topic: str, letters: list[DeadLetter], *, again: bool
) -> tuple[list[DeadLetter], list[DeadLetter], dict[int, set[int]]]:
    """Letters to redrive, those that were before and are left, and by partition the offsets that will have been redriven."""
    numbers = sorted({letter.record.partition for letter in letters})
    committed = client.committed([TopicPartition(topic, number) for number in numbers], timeout=10) if numbers else []
    done = {each.partition: _ranges(each.offset, each.metadata) for each in committed}
    before = [] if again else [each for each in letters if each.record.offset in done[each.record.partition]]
    now = [each for each in letters if each not in before]
    for letter in now:
        done[letter.record.partition].add(letter.record.offset)
    return now, before, done


def _transactional(bootstrap: str) -> Producer:
    """The producer of all redrives; who made one before may not commit any more."""
    producer = Producer(
        {
            **producing(bootstrap, REDRIVE_GROUP),
            "transactional.id": REDRIVE_GROUP,
            "transaction.timeout.ms": 60_000,
            "retry.backoff.ms": 5,
            "partitioner": "murmur2_random",
        },
        logger=client_log(),
    )
    producer.init_transactions(30)
    return producer


def _send(producer: Producer, group: object, letters: list[DeadLetter], offsets: list[TopicPartition]) -> None:
    producer.begin_transaction()
    try:
        for letter in letters:
            headers: list[tuple[str, str | bytes | None]] = [("riskstream-redriven", letter.position)]
            while True:
                try:
                    producer.produce(letter.topic, letter.record.value, letter.record.key, headers=headers)
                    break
                except BufferError:  # the queue is full: wait for room
                    producer.poll(0.05)
            producer.poll(0)
        producer.send_offsets_to_transaction(offsets, group, 30)
        producer.commit_transaction(60)
    except KafkaException as error:
        if not error.args[0].fatal():  # a fenced producer has nothing left to abort
            producer.abort_transaction(30)
        raise


def _ranges(offset: int, metadata: str | None) -> set[int]:
    """Dead-letter offsets that were redriven."""
    done: set[int] = set(range(max(offset, 0))) if metadata is None or "only=" not in metadata else set()
    for part in (metadata or "").removeprefix("only=").split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            done |= set(range(int(first), int(last or first) + 1))
    return done


def _commit_of(topic: str, number: int, done: set[int]) -> TopicPartition:
    """The commit that says which were redriven: ranges of offsets, exactly."""
    parts: list[list[int]] = []
    for at in sorted(done):
        if parts and parts[-1][1] == at - 1:
            parts[-1][1] = at
        else:
            parts.append([at, at])
    metadata = "only=" + ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)
    if len(metadata) > MAX_METADATA:
        raise Fatal(
            what=f"{len(parts)} separate ranges of dead letters were redriven: too many to note",
            where=f"{topic}[{number}]",
            do="redrive those between them too, or all of them with no --reason",
            exit_code=2,
        )
    return TopicPartition(topic, number, max(done) + 1, metadata)
