"""Makes a cluster old: what retention, compaction and idleness do in a month, done at once on a
running cluster.

Each method returns when the brokers have done it, so that a test begins on what it asked for.
"""

import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not re-export them
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Fatal

_DEADLINE_S = 60.0
_SMALL_SEGMENTS = {"segment.ms": "500", "segment.bytes": str(1 << 20)}
_EAGER_COMPACTION = {
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "0",
}


class Ager:
    """Ages one cluster. It works beside running services, as retention does."""

    def __init__(self, kafka: str) -> None:
        self.kafka = kafka
        self._topics = TopicAdmin(kafka)
        self._admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})

    def small_segments(self, *topics: str) -> None:
        """From now on a topic's segments close after half a second, as a month of them would."""
        self._configure(topics, _SMALL_SEGMENTS)

    def compact_eagerly(self, *topics: str) -> None:
        """From now on the broker compacts a topic whenever its cleaner comes round (every 15 s)."""
        self._configure(topics, _EAGER_COMPACTION)

    def ends(self, topic: str, *, first: bool = False) -> list[int]:
        """End (or first) offset of each partition."""
        return self._topics.end_offsets(topic, self._topics.partitions()[topic], first=first)

    def delete_to(self, topic: str, offsets: dict[int, int]) -> None:
        """What retention does, by offset: everything below `offsets` of each partition is gone."""
        asked = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        for future in self._admin.delete_records(asked).values():
            future.result(20)
        firsts = self.ends(topic, first=True)
        for partition, offset in offsets.items():
            if firsts[partition] < offset:
                raise Fatal(
                    what=f"{topic}[{partition}] still begins at {firsts[partition]}",
                    where=self.kafka,
                    do="look",
                )

    def expire_heads(self, topic: str, keep: int = 0, *, only: int | None = None) -> list[int]:
        """All but the last `keep` records of each partition (or of one) are gone; the first offsets
        now.
        """
        ends = self.ends(topic)
        wanted = {
            partition: end - keep
            for partition, end in enumerate(ends)
            if end > keep and only in (None, partition)
        }
        if wanted:
            self.delete_to(topic, wanted)
        return self.ends(topic, first=True)

    def empty(self, topic: str) -> None:
        """A compacted topic as after tombstones of all its keys and the cleaner: nothing is
        left.
        """
        # brokers delete nothing else by request
        self._configure((topic,), {"cleanup.policy": "compact,delete"})
        self.delete_to(topic, dict(enumerate(self.ends(topic))))
        self._configure((topic,), {"cleanup.policy": "compact"})

    def expire_group(self, group: str) -> None:
        """The group's committed offsets are gone, as after a week without members. It must have
        none now.
        """
        end = time.monotonic() + _DEADLINE_S
        while True:
            try:
                for future in self._admin.delete_consumer_groups([group]).values():
                    future.result(20)
                break
            except Exception as error:
                if "GROUP_ID_NOT_FOUND" in str(error):
                    break
                # a member that was killed is in the group until its session ends
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        left = self._topics.group_offsets(group)
        if left:
            raise Fatal(
                what=f"group {group} still has offsets {left}",
                where=self.kafka,
                do="stop its members first",
            )

    def _configure(self, topics: tuple[str, ...], config: dict[str, str]) -> None:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        asked = [
            ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
            for topic in topics
        ]
        for future in self._admin.incremental_alter_configs(asked).values():
            future.result(20)
