"""Batches that decompress to more than the client takes (100 MB, receive.message.max.bytes): who
reads goes on behind them.

A broker bounds a batch as it is compressed: 3 kB of zstd can hold 100 MB of zeros. The client asks
for such a batch again and again, and tells its first offset only; where it ends is found by asking
from further on.
"""

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter

from riskstream.platform.kafka.clients.client import consumer, raise_if_error, translated
from riskstream.platform.kafka.clients.starts import watermarks
from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("giants")
_DEADLINE_S = 20.0


def is_giant(error: KafkaError) -> bool:
    """True where an error says that a batch was not decompressed; its message's offset is the
    batch's first.
    """
    return error.code() == KafkaError._BAD_COMPRESSION


class Giants:
    """Those that one consumer meets. `counter` counts each batch once: when the position has been
    moved behind it.
    """

    def __init__(self, client: Consumer, bootstrap: str, counter: Counter) -> None:
        self._client, self._bootstrap, self._counter = client, bootstrap, counter
        self._behind: dict[tuple[str, int], int] = {}

    def go_on_behind(self, topic: str, partition: int, first: int) -> None:
        """Go on behind the batch that begins at `first`; where Kafka does not answer we stay, and
        are told of it again.
        """
        try:
            behind = end_of(self._bootstrap, topic, partition, first)
            self._client.seek(TopicPartition(topic, partition, behind))
        except (Retryable, KafkaException) as error:
            log.warning(
                "cannot go on behind a batch yet",
                topic=topic,
                partition=partition,
                first=first,
                why=str(error),
            )
            return
        if first >= self._behind.get((topic, partition), 0):
            self._behind[topic, partition] = behind
            self._counter.inc()


def end_of(bootstrap: str, topic: str, partition: int, first: int) -> int:
    """Offset behind the batch that begins at `first`, and a line in the log; Retryable where Kafka
    does not answer in time.
    """
    deadline = monotonic() + _DEADLINE_S
    where = f"{topic}[{partition}]"
    probe = consumer(bootstrap, "riskstream-reader", **{"fetch.error.backoff.ms": 10})
    try:
        within, step = first, 1
        while _is_within(probe, topic, partition, within + step, first, deadline):
            within += step
            step *= 2
        behind = within + step
        while behind - within > 1:
            middle = (within + behind) // 2
            if _is_within(probe, topic, partition, middle, first, deadline):
                within = middle
            else:
                behind = middle
    except (KafkaException, TimeoutError) as error:
        raise translated(error, where) from error
    finally:
        probe.close()
    log.error(
        "records that decompress to too much are left out",
        topic=topic,
        partition=partition,
        first=first,
        last=behind - 1,
    )
    return behind


def _is_within(
    probe: Consumer, topic: str, partition: int, offset: int, first: int, deadline: float
) -> bool:
    """True where the batch that begins at `first` holds an offset behind it."""
    where = TopicPartition(topic, partition, offset)
    if offset >= watermarks(probe, topic, partition, max(deadline - monotonic(), 0.1))[1]:
        return False
    probe.assign([where])
    while monotonic() < deadline:
        message = probe.poll(0.1)
        if message is None:
            continue
        error = message.error()
        if error is not None and is_giant(error):
            return message.offset() == first
        raise_if_error(error, f"{topic}[{partition}]")
        return False
    raise Retryable(
        what=f"Kafka does not answer within {_DEADLINE_S:.0f} s", where=f"{topic}[{partition}]"
    )
