"""A member of a group whose partitions were lost, and whether the group ever lets it in again.

A broker may refuse a fenced member for ever when it comes back (KAFKA-19233): the client then polls
on, owns nothing, and nobody notices. A restart is the cure.
"""

from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("group")
OUT_S = 60.0
"""So long a member that lost its partitions waits to be given some, or none, while the brokers
answer.
"""
_ASK_S = 2.0

OnPartitions = Callable[[Consumer, list[TopicPartition]], None]


class Membership:
    """Used by the thread that polls."""

    def __init__(
        self, client: Consumer, group: str, *, now: Callable[[], float] = monotonic
    ) -> None:
        self._client, self._group, self._now = client, group, now
        self._lost_at: float | None = None

    def subscribe(
        self,
        topics: list[str],
        *,
        on_assign: OnPartitions,
        on_revoke: OnPartitions,
        on_lost: OnPartitions,
    ) -> None:
        """As of the client; notes when partitions are lost and when the group gives some again."""

        def assigned(client: Consumer, partitions: list[TopicPartition]) -> None:
            self._lost_at = None
            on_assign(client, partitions)

        def lost(client: Consumer, partitions: list[TopicPartition]) -> None:
            self._lost_at = self._now()
            on_lost(client, partitions)

        self._client.subscribe(topics, on_assign=assigned, on_revoke=on_revoke, on_lost=lost)

    def check(self) -> None:
        """Retryable where partitions were lost, and the group told nothing for OUT_S while its
        brokers answer.
        """
        if self._lost_at is None or self._now() - self._lost_at < OUT_S:
            return
        try:
            self._client.list_topics(timeout=_ASK_S)
        except KafkaException as error:  # nobody can be let in: wait as long again
            log.warning(
                "lost partitions, and the brokers do not answer",
                group=self._group,
                error=str(error),
            )
            self._lost_at = self._now()
            return
        raise Retryable(
            what=f"the group gave this member no partition for {OUT_S:.0f} s after it lost its "
            "own (KAFKA-19233)",
            where=self._group,
        )
