"""A lane as a member of its group: what the exact, the derived and the forward lane all do with
their consumer.

It joins and leaves, tells the lane what the client says of partitions, keeps their lag, and ends
where the client is lost. What a record means, and where a partition goes on, is for the lane to
say.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter, Gauge

from riskstream.platform.kafka.clients.client import consumer, group_settings, translated
from riskstream.platform.kafka.clients.giants import Giants, is_giant
from riskstream.platform.kafka.clients.polled import Polled, PythonTake, Take, Told
from riskstream.platform.kafka.clients.starts import is_expired
from riskstream.platform.kafka.lanes.lag import Lag
from riskstream.platform.kafka.lanes.membership import Membership, OnPartitions
from riskstream.platform.kafka.record import Place
from riskstream.runtime.errors import Fatal
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("group")


class MemberSettings(Protocol):
    """What every lane's settings say of its group."""

    @property
    def kafka(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def group_protocol(self) -> str: ...

    @property
    def session_timeout_ms(self) -> int: ...


class MemberMetrics(Protocol):
    """What every lane's metrics show of its sources."""

    lag: Gauge
    giants: Counter


def _is_news(place: Place, end: int) -> bool:  # noqa: ARG001  as `on_end` has them
    return True


class Member:
    """One lane in its group. Used by the thread that polls; `loop_seen` may be read by any.

    `client`: the consumer. `lag`: told by the lane what it takes. `loop_seen`: when the lane's loop
    last went round, in seconds of `monotonic`.
    """

    def __init__(
        self,
        settings: MemberSettings,
        topics: Sequence[str],
        metrics: MemberMetrics,
        take: Callable[[Consumer], Take] = PythonTake,
    ) -> None:
        """`take`: how `polled` comes by the records."""
        protocol = group_settings(settings.group_protocol, settings.session_timeout_ms)
        self.client: Consumer = consumer(settings.kafka, settings.group, **protocol)
        self.lag = Lag(metrics.lag)
        self.loop_seen = monotonic()
        self._topics, self._group = list(topics), settings.group
        self._membership = Membership(self.client, settings.group)
        self._take = take(self.client)
        self._giants = Giants(self.client, settings.kafka, metrics.giants)
        self._on_end: Callable[[Place, int], bool] = _is_news
        self._on_expired: Callable[[Place], None]

    @contextmanager
    def joined(
        self,
        *,
        on_assign: OnPartitions,
        on_revoke: OnPartitions,
        on_lost: OnPartitions,
        on_expired: Callable[[Place], None],
        on_end: Callable[[Place, int], bool] = _is_news,
    ) -> Iterator[None]:
        """Be a member within the block, and leave at its end. An error of the client there becomes
        Retryable or Fatal.

        `on_assign` assigns the partitions to the client. `on_revoke` and `on_lost` only forget what
        the lane knows of them; on leaving the group, `on_revoke` is called for all. `on_expired`:
        the partition does not hold the next offset any more. `on_end`: the partition was read to
        its end, an offset; False where that says nothing of now.
        """
        self._on_end, self._on_expired = on_end, on_expired

        def assigned(client: Consumer, partitions: list[TopicPartition]) -> None:
            log.info("assigned", partitions=names_of(partitions))
            self._take.own(partitions)
            on_assign(client, partitions)
            for each in partitions:
                self.lag.own(each.topic, each.partition)

        def revoked(client: Consumer, partitions: list[TopicPartition]) -> None:
            on_revoke(client, partitions)
            self._give_up(client, partitions)
            log.info("revoked", partitions=names_of(partitions))

        def lost(client: Consumer, partitions: list[TopicPartition]) -> None:
            on_lost(client, partitions)
            self._give_up(client, partitions)
            log.warning("lost", partitions=names_of(partitions))

        try:
            self._membership.subscribe(
                self._topics, on_assign=assigned, on_revoke=revoked, on_lost=lost
            )
            yield
        except KafkaException as error:
            raise translated(error, self._group) from error
        finally:
            self._take.close()
            self.client.close()

    def check(self) -> None:
        """Retryable where this member lost its partitions and is never let in again."""
        self._membership.check()

    def see(self) -> float:
        """The loop goes round, or waits on purpose; when that is."""
        self.loop_seen = monotonic()
        return self.loop_seen

    def wait(self, timeout_s: float) -> bool:
        """True once something has arrived, which `polled` gives; False after `timeout_s`
        seconds.
        """
        return self._take.wait(timeout_s)

    def polled(self, most: int) -> Polled:
        """What has arrived, at most `most` records, as columns, after errors were told.

        Fatal where an error says that the member cannot go on.
        """
        found, told = self._take.polled(most)
        self._sort_all(told)
        return found

    def _sort_all(self, told: Sequence[Told]) -> None:
        for place, offset, error in told:
            self._sort(place, offset, error)

    def _sort(self, place: Place, offset: int, error: KafkaError) -> None:
        """An end, a head that passed us, a batch too large, a client that is lost, or the world's:
        that passes.
        """
        if error.code() == KafkaError._PARTITION_EOF:
            if self._on_end(place, offset):
                self.lag.reached_end(*place, offset)
            return
        if is_expired(error):
            self._on_expired(place)
            return
        if is_giant(error):
            self._giants.go_on_behind(*place, offset)
            return
        if error.fatal():
            raise Fatal(
                what=f"the consumer failed: {error.str()}",
                where=", ".join(self._topics),
                do="restart the process",
            )
        problem = translated(error, f"{place[0]}[{place[1]}]")
        if isinstance(problem, Fatal):
            raise problem
        log.warning("consumer error", error=str(problem))

    def _give_up(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self.lag.forget(each.topic, each.partition)
        self._take.disown(partitions)
        client.incremental_unassign(partitions)


def names_of(partitions: Sequence[TopicPartition]) -> list[str]:
    """Partitions as logs tell them."""
    return [f"{each.topic}[{each.partition}]" for each in partitions]
