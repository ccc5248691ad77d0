"""Dead letters as people work with them: read once by source position, and redriven once.

They are looked at as they are read, and never held together: a topic of them may be larger than any
memory. What was redriven stands in notes among the letters (`redriven.py`). Letters and the note of
them are one Kafka transaction.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from sys import intern

from confluent_kafka import KafkaException, Producer, TopicPartition

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.clients.client import consumer, producer_of, producing, translated
from riskstream.platform.kafka.clients.limits import CUT_HEADERS, record_bytes
from riskstream.platform.kafka.clients.read import FRUGAL, TopicReader
from riskstream.platform.kafka.proofs import TopicNeeds, prove_topics
from riskstream.platform.kafka.record import Record
from riskstream.platform.kafka.redriven import HEADER, Redriven, notes
from riskstream.platform.kafka.rejects import MAX_DETAIL
from riskstream.runtime.durations import HOUR_S
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

REDRIVE_GROUP = "dlq-redrive"
AT_ONCE, AT_ONCE_BYTES = 5_000, 32_000_000
"""Most letters of one transaction, and most bytes."""
MAX_TEXT = 249
"""Kept of a topic's name, as Kafka does, and of a reason: somebody else's headers may be of any
length.
"""
READ_S = HOUR_S
"""For reading the whole topic: it is read a few records at a time."""

Headers = list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter: where it stood in its source, why it was rejected, and its record in the
    dead-letter topic.
    """

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


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is kept of a letter between the reading that chooses it and the one that sends it: not
    its body.
    """

    position: str
    source: str
    partition: int
    """Of its record in the dead-letter topic, as the offset."""
    offset: int
    size: int
    """Most bytes of a batch of it, as it is sent."""
    is_cut: bool


def read_dead_letters(bootstrap: str, topic: str) -> Iterator[DeadLetter]:
    """Every dead letter of a topic, the first of each source position, as they are read; a few are
    held at once.
    """
    with TopicReader(bootstrap, [topic], fetching=FRUGAL) as reader:
        yield from dead_letters_of(reader.until_end(READ_S))


def dead_letters_of(records: Iterable[Record]) -> Iterator[DeadLetter]:
    """The same of records that are at hand. What a service did not write is left out.

    Held of those that were given out: their positions.
    """
    found: dict[int, set[int]] = {}
    for record in records:
        headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
        try:
            partition, offset = (
                int(headers["riskstream-partition"]),
                int(headers["riskstream-offset"]),
            )
        except (KeyError, ValueError):
            continue
        offsets = found.setdefault(partition, set())
        if offset in offsets:
            continue
        offsets.add(offset)
        yield DeadLetter(
            topic=intern(headers.get("riskstream-topic", "")[:MAX_TEXT]),
            partition=partition,
            offset=offset,
            reason=intern(headers.get("riskstream-reason", "")[:MAX_TEXT]),
            detail=headers.get("riskstream-detail", "")[:MAX_DETAIL],
            record=record,
        )


def redrive(
    bootstrap: str, topic: str, wanted: Callable[[DeadLetter], bool], *, again: bool = False
) -> tuple[int, int]:
    """(redriven now, left because they were before) of the wanted letters: original bytes and key,
    to their source.

    Some letters and the note of them are one transaction: none is seen, or noted, without the
    other. A redrive that began before and has not committed is given up, once everything that can
    be checked was: 1 choose, 2 check, 3 fence, 4 choose again, 5 read the chosen again and send
    them. A letter that expired meanwhile is not sent and not counted.
    """
    try:
        with TopicReader(bootstrap, [topic], fetching=FRUGAL) as reader:
            done = _said_by_commits(bootstrap, topic, reader.counts[topic])
            letters = [
                _chosen(each)
                for each in dead_letters_of(_but_notes(reader.until_end(READ_S), done))
                if wanted(each)
            ]
            now, before = _divided(letters, done, again=again)
            if not now:
                return 0, len(before)
            _check(bootstrap, topic, now)
            producer = _transactional(bootstrap)
            reader.look_at_ends()
            # what the one before committed meanwhile
            for _ in _but_notes(reader.until_end(READ_S), done):
                pass
        now, before = _divided(letters, done, again=again)
        sent = 0
        for some in _parts(_read_again(bootstrap, topic, now)):
            _send(producer, topic, some)
            sent += len(some)
        return sent, len(before)
    except KafkaException as error:
        raise translated(error, topic) from error


def _chosen(letter: DeadLetter) -> _Chosen:
    record = letter.record
    size = record_bytes(record.key, record.value, _named(letter))
    return _Chosen(
        letter.position, letter.topic, record.partition, record.offset, size, letter.is_cut
    )


def _read_again(bootstrap: str, topic: str, chosen: list[_Chosen]) -> Iterator[DeadLetter]:
    """The letters themselves, as they are read. Records before the first of them are not."""
    if not chosen:
        return
    places = {(each.partition, each.offset) for each in chosen}
    with TopicReader(
        bootstrap, [topic], start="end", offsets=_firsts(topic, chosen), fetching=FRUGAL
    ) as reader:
        records = (
            each for each in reader.until_end(READ_S) if (each.partition, each.offset) in places
        )
        yield from dead_letters_of(records)


def _firsts(topic: str, chosen: list[_Chosen]) -> dict[tuple[str, int], int]:
    """Of each partition with some of them the lowest offset."""
    firsts: dict[tuple[str, int], int] = {}
    for each in chosen:
        place = topic, each.partition
        firsts[place] = min(firsts.get(place, each.offset), each.offset)
    return firsts


def _said_by_commits(bootstrap: str, topic: str, partitions: int) -> Redriven:
    """What versions that wrote no notes committed."""
    done = Redriven()
    client = consumer(bootstrap, REDRIVE_GROUP)
    try:
        for each in client.committed(
            [TopicPartition(topic, number) for number in range(partitions)], timeout=10
        ):
            if each.offset >= 0:
                done.take_commit(each.partition, each.offset, each.metadata)
    finally:
        client.close()
    return done


def _but_notes(records: Iterable[Record], done: Redriven) -> Iterator[Record]:
    """The records that are no notes; these go to `done`."""
    return (record for record in records if not done.take(record))


def _divided(
    letters: list[_Chosen], done: Redriven, *, again: bool
) -> tuple[list[_Chosen], list[_Chosen]]:
    """Letters to redrive, and those that were before and are left."""
    if again:
        return letters, []
    places: dict[int, set[int]] = {}
    for letter in letters:
        places.setdefault(letter.partition, set()).add(letter.offset)
    were = {number: done.among(number, offsets) for number, offsets in places.items()}
    before = [each.offset in were[each.partition] for each in letters]
    return (
        [each for each, was in zip(letters, before, strict=True) if not was],
        [each for each, was in zip(letters, before, strict=True) if was],
    )


def _check(bootstrap: str, topic: str, letters: list[_Chosen]) -> None:
    """Fatal where one of the letters cannot be sent, or there is no such source."""
    if cut := [letter for letter in letters if letter.is_cut]:
        raise Fatal(
            what=f"dead letter {cut[0].position} was cut, as it did not fit: its bytes are not "
            "what its source held",
            where=topic,
            do="leave it out, and have its producer send the record again",
            exit_code=Exit.INPUT,
        )
    sources = sorted({letter.source for letter in letters})
    admin = TopicAdmin(bootstrap)
    prove_topics(admin, TopicNeeds(reads=sources), bootstrap)
    limits = admin.message_limits(sources)
    for letter in letters:
        if letter.size > limits[letter.source]:
            raise Fatal(
                what=f"dead letter {letter.position} has {letter.size:,} bytes, {letter.source} "
                f"takes {limits[letter.source]:,}",
                where=topic,
                do="leave it out, and have its producer send the record again, compressed as "
                "before",
                exit_code=Exit.INPUT,
            )


def _named(letter: DeadLetter) -> Headers:
    return [("riskstream-redriven", letter.position)]


def _parts(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """The letters by transaction, in order."""
    some: list[DeadLetter] = []
    size = 0
    for letter in letters:
        more = record_bytes(letter.record.key, letter.record.value, [])
        if some and (len(some) == AT_ONCE or size + more > AT_ONCE_BYTES):
            yield some
            some, size = [], 0
        some.append(letter)
        size += more
    if some:
        yield some


def _transactional(bootstrap: str) -> Producer:
    """The producer of all redrives; who made one before may not commit any more."""
    producer = producer_of(
        {
            **producing(bootstrap, REDRIVE_GROUP),
            "transactional.id": REDRIVE_GROUP,
            "transaction.timeout.ms": 60_000,
            "retry.backoff.ms": 5,
            "partitioner": "murmur2_random",
        }
    )
    producer.init_transactions(30)
    return producer


def _send(producer: Producer, topic: str, letters: list[DeadLetter]) -> None:
    """One transaction: the letters to their sources, and the note of them to the dead letters."""
    places: dict[int, set[int]] = {}
    producer.begin_transaction()
    try:
        for letter in letters:
            places.setdefault(letter.record.partition, set()).add(letter.record.offset)
            _produce(
                producer,
                letter.topic,
                letter.record.value,
                letter.record.key,
                headers=_named(letter),
            )
        for partition, offsets in places.items():
            for value in notes(offsets):
                _produce(producer, topic, value, None, partition, headers=[(HEADER, None)])
        producer.commit_transaction(60)
    except KafkaException as error:
        if not error.args[0].fatal():  # a fenced producer has nothing left to abort
            producer.abort_transaction(30)
        raise


def _produce(
    producer: Producer,
    topic: str,
    value: bytes | None,
    key: bytes | None,
    partition: int = -1,
    *,
    headers: Headers,
) -> None:
    """`partition` -1: by the key."""
    while True:
        try:
            producer.produce(topic, value, key, partition, headers=headers)
            break
        except BufferError:  # the queue is full: wait for room
            producer.poll(0.05)
    producer.poll(0)
