"""What a cluster tells whoever asks: its brokers, topics, offsets and groups."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import (
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not re-export them
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from riskstream.domain.contracts.catalog import MESSAGE_BYTES
from riskstream.domain.contracts.catalog import topics as declared
from riskstream.platform.kafka.clients.client import admin_client, consumer, translated
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import monotonic, sleep

_WITHOUT_MEMBERS = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD, ConsumerGroupState.UNKNOWN)

_COORDINATOR_MOVES = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)


class Cluster:
    """Asks one cluster, and changes nothing there. Retryable where it does not answer in time,
    Fatal where it refuses.
    """

    def __init__(self, bootstrap: str, *, timeout_s: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._refused = ""
        settings: dict[str, Any] = {
            "socket.connection.setup.timeout.ms": 5000,
            "error_cb": self._on_error,
        }
        self._admin = admin_client(bootstrap, **settings)

    def wait_until_ready(self, brokers: int, deadline_s: float) -> None:
        """Return when the cluster shows that many brokers; Retryable after the deadline."""
        end = monotonic() + deadline_s
        while monotonic() < end:
            try:
                if len(self._admin.list_topics(timeout=1).brokers) >= brokers:
                    return
            except KafkaException:
                sleep(0.1)
        raise Retryable(
            what=f"Kafka did not answer within {deadline_s:.0f} s", where=self._bootstrap
        )

    def wait_until_allowed(self, deadline_s: float = 30.0) -> None:
        """Return when the cluster answers this user; Fatal where it refuses, Retryable after the
        deadline.
        """
        end = monotonic() + deadline_s
        while True:
            try:
                self.partitions()
                return
            except Retryable:
                if monotonic() > end:
                    raise

    def partitions(self) -> dict[str, int]:
        """Partition count of every topic of the cluster."""
        return {name: len(meta.partitions) for name, meta in self._metadata().topics.items()}

    def cluster_id(self) -> str:
        """The id that the cluster was given when it was made."""
        return str(self._metadata().cluster_id)

    def topic_ids(self, names: Sequence[str]) -> dict[str, str]:
        """The id of each topic; one that was deleted and made again has another."""
        try:
            found = self._admin.describe_topics(
                TopicCollection(list(names)), request_timeout=self._timeout_s
            )
            return {name: str(found[name].result(self._timeout_s).topic_id) for name in names}
        except (KafkaException, TimeoutError) as error:
            raise translated(error, self._bootstrap) from error

    def broker_count(self) -> int:
        """Number of brokers of the cluster."""
        return len(self._metadata().brokers)

    def _metadata(self) -> ClusterMetadata:
        """Fatal as soon as the cluster refuses us: else that looks like one that is away."""
        end = monotonic() + self._timeout_s
        while True:
            try:
                return self._admin.list_topics(timeout=1)
            except (KafkaException, TimeoutError) as error:
                self._admin.poll(0)
                if self._refused:
                    raise Fatal(
                        what=f"Kafka refuses this user: {self._refused.split(': ', 1)[-1]}",
                        where=self._bootstrap,
                        do="see RISKSTREAM_KAFKA_PROTOCOL, _MECHANISM, _USERNAME, _PASSWORD "
                        "and _CA",
                        exit_code=Exit.INPUT,
                    ) from error
                if monotonic() > end:
                    raise translated(error, self._bootstrap) from error

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (
            KafkaError._AUTHENTICATION,
            KafkaError.SASL_AUTHENTICATION_FAILED,
            KafkaError._SSL,
        ):
            self._refused = error.str()

    def end_offsets(self, topic: str, partitions: int, *, first: bool = False) -> list[int]:
        """End (or first) offset of each partition of a topic."""
        spec: Any = getattr(OffsetSpec, "earliest" if first else "latest")()
        asked = {TopicPartition(topic, number): spec for number in range(partitions)}
        end = monotonic() + self._timeout_s
        while True:
            try:
                answers = self._admin.list_offsets(asked, request_timeout=self._timeout_s)
                return [answers[key].result(self._timeout_s).offset for key in asked]
            except (KafkaException, TimeoutError) as error:
                problem = translated(error, self._bootstrap)
                if isinstance(problem, Fatal) or monotonic() >= end:
                    raise problem from error
                sleep(0.05)  # a topic that was just made has no leader yet
                self._learn_leaders()

    def _learn_leaders(self) -> None:
        """Have the client ask again who leads: of itself it keeps to an earlier leader for five
        minutes, and is refused.
        """
        with suppress(KafkaException):
            self._admin.list_topics(timeout=1.0)

    def group_offsets(self, group: str) -> dict[tuple[str, int], int]:
        """Committed offset of each partition that a group has committed; none of a group that the
        cluster does not know.

        Asked by a consumer that joins nothing: the admin client's own call ends the process with
        signal 11 where the broker asked is not the group's coordinator, as before the first group,
        or while brokers fail over (librdkafka #5040).
        """
        asked = [
            TopicPartition(topic, number)
            for topic, count in self.partitions().items()
            for number in range(count)
            if not topic.startswith("__")
        ]
        end = monotonic() + self._timeout_s
        while True:
            # a new one each time: it asks again who the coordinator is
            outsider = consumer(self._bootstrap, group)
            try:
                found = outsider.committed(asked, timeout=self._timeout_s) if asked else []
                return {
                    (each.topic, each.partition): each.offset for each in found if each.offset >= 0
                }
            except KafkaException as error:
                if error.args[0].code() not in _COORDINATOR_MOVES or monotonic() > end:
                    raise translated(error, self._bootstrap) from error
            finally:
                outsider.close()
            sleep(0.1)

    def groups(self) -> list[str]:
        """Ids of the consumer groups that the cluster knows."""
        return sorted(self._group_states())

    def groups_by_members(self) -> dict[str, bool]:
        """Of each group that the cluster knows, whether it has a process now."""
        return {name: state not in _WITHOUT_MEMBERS for name, state in self._group_states().items()}

    def _group_states(self) -> dict[str, ConsumerGroupState]:
        self._metadata()
        try:
            found = self._admin.list_consumer_groups(request_timeout=self._timeout_s).result(
                self._timeout_s
            )
        except (KafkaException, TimeoutError) as error:
            raise translated(error, self._bootstrap) from error
        return {each.group_id: each.state for each in found.valid}

    def message_limits(self, names: Sequence[str]) -> dict[str, int]:
        """max.message.bytes of topics as the brokers have it; as declared where this user may not
        ask. Fatal without a topic.
        """
        out = {}
        for name in names:
            try:
                out[name] = int(self._entries(name)["max.message.bytes"].value or MESSAGE_BYTES)
            except (KafkaException, TimeoutError) as error:
                code = error.args[0].code() if isinstance(error, KafkaException) else None
                if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise Fatal(
                        what=f"no topic {name}",
                        where=self._bootstrap,
                        do="run `riskstream topics apply`",
                        exit_code=Exit.INPUT,
                    ) from error
                if code not in (
                    KafkaError.TOPIC_AUTHORIZATION_FAILED,
                    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
                ):
                    raise translated(error, self._bootstrap) from error
                out[name] = declared()[name].max_bytes if name in declared() else MESSAGE_BYTES
        return out

    def _entries(self, topic: str) -> dict[str, ConfigEntry]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        found: dict[str, ConfigEntry] = self._admin.describe_configs([resource])[resource].result(
            self._timeout_s
        )
        return found
