"""Where a partition may be read from: an offset that it still holds. Retention moves a topic's head
at any moment.
"""

from collections.abc import Callable, Iterator

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter

from riskstream.platform.kafka.clients.client import translated
from riskstream.platform.kafka.clients.refusals import EXPIRED
from riskstream.platform.kafka.record import Place
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic, sleep

log = structlog.get_logger("starts")


def is_expired(error: KafkaError) -> bool:
    """True where an error says that the partition does not hold the offset that was asked for."""
    return error.code() in EXPIRED


def watermarks(client: Consumer, topic: str, partition: int, deadline_s: float) -> tuple[int, int]:
    """(first offset that the partition holds, its end).

    Retryable where Kafka does not answer in time, or the client does not know the partition: a
    broker that comes back tells it for a moment that there is none. Whoever asks knows that there
    is: the group gave it out, or the topic has it.
    """
    where = f"{topic}[{partition}]"
    try:
        low, high = client.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=deadline_s
        )
    except (KafkaException, TimeoutError) as error:
        if (
            isinstance(error, KafkaException)
            and error.args[0].code() == KafkaError._UNKNOWN_PARTITION
        ):
            raise Retryable(what="Kafka does not know the partition yet", where=where) from error
        raise translated(error, where) from error
    return int(low), int(high)


def legal_start(
    client: Consumer, topic: str, partition: int, wanted: int, deadline_s: float = 30.0
) -> int:
    """`wanted` where the partition holds it or ends there, else its first offset.

    Retryable where Kafka does not answer in time; Fatal past the end: the topic is not the one that
    was read before.
    """
    low, high = watermarks(client, topic, partition, deadline_s)
    if wanted > high:
        raise Fatal(
            what=f"the group's position {wanted} is past the end {high}",
            where=f"{topic}[{partition}]",
            do="find out whether the topic was created again or lost records, then reset the "
            "group's offsets and its states",
        )
    if wanted < low:
        log.warning(
            "records expired before they were read",
            topic=topic,
            partition=partition,
            first=wanted,
            now=low,
        )
    return max(wanted, low)


def heads(
    client: Consumer, topic: str, partitions: list[int], deadline_s: float = 2.0
) -> dict[int, int]:
    """First offset that each partition holds; OFFSET_BEGINNING for those of which Kafka does not
    tell by the deadline.

    A number is better: the client asks Kafka what a name means, and the answer may come after a
    seek and undo it.
    """
    found = dict.fromkeys(partitions, OFFSET_BEGINNING)
    end = monotonic() + deadline_s
    for partition in partitions:
        left_s = end - monotonic()
        if left_s <= 0:
            break
        try:
            marks = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=left_s)
        except (KafkaException, TimeoutError) as error:
            log.warning(
                "first offset not known yet", topic=topic, partition=partition, error=str(error)
            )
            break
        if marks is not None:
            found[partition] = int(marks[0])
    return found


def assign_paused(client: Consumer, partitions: list[TopicPartition]) -> None:
    """For a callback on assignment: at their heads, paused. Who takes them up may have to wait for
    Kafka: `go_on_at` then.
    """
    for topic in {each.topic for each in partitions}:
        mine = [each for each in partitions if each.topic == topic]
        first = heads(client, topic, [each.partition for each in mine])
        for each in mine:
            each.offset = first[each.partition]
    client.incremental_assign(partitions)
    client.pause(partitions)


def go_on_at(client: Consumer, places: list[TopicPartition], deadline_s: float = 5.0) -> None:
    """Begin at these offsets; the caller leaves out what stands before them. Retryable where the
    client is not ready in time.

    What a fetch from the head brought meanwhile has no hole in it. Assigning again in place of a
    seek once left partitions that were never fetched again.
    """
    end = monotonic() + deadline_s
    for place in places:
        while True:
            try:
                client.seek(place)
                break
            except KafkaException as error:  # _STATE until the partition has started
                if monotonic() > end:
                    raise Retryable(
                        what=f"the client cannot begin at {place.offset}: {error.args[0].str()}",
                        where=f"{place.topic}[{place.partition}]",
                    ) from error
                sleep(0.02)
    client.resume(places)


def begin_anew(client: Consumer, topic: str, partition: int, wanted: int) -> int:
    """Assign an owned partition again, at the first offset from `wanted` on that it holds; that
    offset.

    A seek will not do: a partition whose fetch ended in an error takes none. For the polling thread
    alone.
    """
    start = legal_start(client, topic, partition, wanted)
    client.incremental_unassign([TopicPartition(topic, partition)])
    client.incremental_assign([TopicPartition(topic, partition, start)])
    return start


class ExpiredHeads:
    """Partitions of a lane whose head passed it: it goes on where they still hold records. For the
    polling thread alone.
    """

    def __init__(self, client: Consumer, counter: Counter) -> None:
        """`counter`: of the offsets that expired before they were read."""
        self._client, self._counter = client, counter
        self._places: set[Place] = set()

    def add(self, place: Place) -> None:
        self._places.add(place)

    def forget(self, place: Place) -> None:
        self._places.discard(place)

    def clear(self) -> None:
        self._places.clear()

    def begun_anew(self, position_of: Callable[[Place], int | None]) -> Iterator[tuple[Place, int]]:
        """(place, where it goes on) of each that began again; later, where Kafka does not answer
        yet.

        `position_of`: where the lane stands, None where the partition is not its own any more.
        """
        for place in sorted(self._places):
            at = position_of(place)
            try:
                start = None if at is None else begin_anew(self._client, *place, at)
            except Retryable as error:
                log.warning(
                    "first offset not known yet", topic=place[0], partition=place[1], why=str(error)
                )
                return
            self._places.discard(place)
            if at is not None and start is not None:
                self._counter.inc(start - at)
                yield place, start
