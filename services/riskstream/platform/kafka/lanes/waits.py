"""Partitions of a lane that wait for a schema: paused at the first record that needs it, taken up
again when it is known.
"""

from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("schemas")
_LOOK_EVERY_S = 0.05


class Waits:
    """Used by the polling thread alone: it pauses, seeks and resumes."""

    def __init__(self, client: Consumer) -> None:
        self._client = client
        self._held: dict[tuple[str, int], tuple[int, Callable[[], bool]]] = {}
        self._look_at = 0.0

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, topic: str, partition: int, offset: int, wait: SchemaWait) -> None:
        """Take nothing of the partition from `offset` on until the wait is over."""
        self._held[topic, partition] = offset, wait.is_over
        self._client.pause([TopicPartition(topic, partition)])
        log.warning(
            "waits for a schema", topic=topic, partition=partition, offset=offset, why=str(wait)
        )

    def take_up(self) -> list[tuple[str, int]]:
        """Resume those whose wait is over; which they are."""
        now = monotonic()
        if not self._held or now < self._look_at:
            return []
        self._look_at = now + _LOOK_EVERY_S
        out = []
        for (topic, partition), (offset, is_over) in list(self._held.items()):
            if not is_over():
                continue
            where = TopicPartition(topic, partition, offset)
            try:
                self._client.seek(where)
            except KafkaException:  # _STATE until the partition has started: at the next look
                continue
            self._client.resume([where])
            del self._held[topic, partition]
            out.append((topic, partition))
            log.info(
                "goes on, its schema is known", topic=topic, partition=partition, offset=offset
            )
        return out

    def clear(self) -> None:
        """Everything is taken up anew."""
        self._held.clear()

    def forget(self, topic: str, partition: int) -> None:
        """The partition was revoked, or is taken up anew."""
        self._held.pop((topic, partition), None)


def firsts(partitions: Sequence[int], offsets: Sequence[int], wait: SchemaWait) -> dict[int, int]:
    """By partition the offset of the first record that cannot be decoded yet; records are in order
    by partition.
    """
    out: dict[int, int] = {}
    for row in sorted(wait.rows):
        out.setdefault(partitions[row], offsets[row])
    return out
