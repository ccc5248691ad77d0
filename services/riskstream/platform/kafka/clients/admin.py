"""Topics as code: what `topics/` declares, and the safe steps there from what a cluster has."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs do not re-export them
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from riskstream.domain.contracts.catalog import Topic
from riskstream.platform.kafka.clients.client import translated
from riskstream.platform.kafka.clients.cluster import Cluster
from riskstream.platform.kafka.clients.topic_steps import (
    MIN_ISR,
    Safety,
    Step,
    config_steps,
    safety_steps,
)
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.runtime.machine import monotonic, sleep


class TopicAdmin(Cluster):
    """A cluster that it asks, and whose topics it plans and applies. Never deletes a topic, never
    changes a partition count.
    """

    def plan(
        self, topics: list[Topic], partitions: int, safety: Safety | None = None
    ) -> list[Step]:
        """Steps from the cluster as it is to the topics as declared, with that partition count for
        new ones.

        `safety` defaults to what the brokers can do; Fatal where more copies are asked for than
        brokers are there.
        """
        metadata = self._metadata()
        brokers = len(metadata.brokers)
        safety = safety or Safety.by_brokers(brokers)
        if safety.replication > brokers:
            raise Fatal(
                what=f"{safety.replication} copies of each topic were asked for, and the "
                f"cluster shows {brokers} brokers",
                where=self._bootstrap,
                do="start those that are missing, or ask for fewer copies",
                exit_code=Exit.INPUT,
            )
        existing = {name: len(meta.partitions) for name, meta in metadata.topics.items()}
        counts = {existing[topic.name] for topic in topics if topic.name in existing}
        if len(counts) == 1 and partitions not in counts:
            raise Fatal(
                what=f"the cluster's topics have {counts.pop()} partitions, {partitions} were "
                "asked for",
                where=self._bootstrap,
                do="ask for the number they have: all keyed topics share it, and it never changes",
                exit_code=Exit.INPUT,
            )
        steps = []
        for topic in topics:
            if topic.name not in existing:
                detail = (
                    f"{partitions} partitions, copies: {safety.replication}, {safety.min_isr} "
                    "in sync"
                )
                steps.append(Step(action="create", topic=topic.name, detail=detail))
                continue
            if existing[topic.name] != partitions:
                detail = (
                    f"{existing[topic.name]} partitions, declared {partitions}: never changed "
                    "on a keyed topic"
                )
                steps.append(Step(action="differs", topic=topic.name, detail=detail))
            copies = min(
                len(each.replicas) for each in metadata.topics[topic.name].partitions.values()
            )
            now = self._config(topic.name)
            steps += safety_steps(topic.name, copies, int(now[MIN_ISR] or 1), safety)
            steps += config_steps(topic.name, topic.config, now)
        return steps

    def apply(
        self, topics: list[Topic], partitions: int, safety: Safety | None = None
    ) -> list[Step]:
        """Do the `create` and `alter` steps; all steps of the plan come back."""
        safety = safety or Safety.by_brokers(self.broker_count())
        steps = self.plan(topics, partitions, safety)
        by_name = {topic.name: topic for topic in topics}
        new = []
        for step in steps:
            if step.action == "create":
                config = {**by_name[step.topic].config, MIN_ISR: str(safety.min_isr)}
                new.append(NewTopic(step.topic, partitions, safety.replication, config=config))
        try:
            if new:
                for future in self._admin.create_topics(new).values():
                    future.result(self._timeout_s)
                self._await_topics({each.topic for each in new})
            altered = [step for step in steps if step.action == "alter"]
            self._alter(altered)
            self._await_config(
                [by_name[name] for name in dict.fromkeys(step.topic for step in altered)],
                partitions,
                safety,
            )
        except (KafkaException, TimeoutError) as error:
            raise translated(error, self._bootstrap) from error
        return steps

    def _await_topics(self, names: set[str]) -> None:
        """Return when the brokers know of topics that the controller has made: each learns of it a
        moment later.
        """
        end = monotonic() + self._timeout_s
        while not names <= self.partitions().keys():
            if monotonic() >= end:
                raise Retryable(
                    what="topics that were made are not known to every broker yet",
                    where=self._bootstrap,
                )
            sleep(0.02)

    def _await_config(self, topics: list[Topic], partitions: int, safety: Safety) -> None:
        """Return when brokers tell the values that were set: each learns of them from the
        controller a moment later.
        """
        end = monotonic() + self._timeout_s
        while any(
            step.action == "alter"
            for step in (self.plan(topics, partitions, safety) if topics else ())
        ):
            if monotonic() >= end:
                raise Retryable(
                    what="values that were set are not known to every broker yet",
                    where=self._bootstrap,
                )
            sleep(0.02)

    def _config(self, topic: str) -> dict[str, str | None]:
        """Every setting of a topic as it is in force, the broker's defaults included."""
        try:
            found = self._entries(topic)
        except (KafkaException, TimeoutError) as error:
            raise translated(error, self._bootstrap) from error
        return {key: entry.value for key, entry in found.items()}

    def _alter(self, steps: list[Step]) -> None:
        by_topic: dict[str, list[Step]] = {}
        for step in steps:
            by_topic.setdefault(step.topic, []).append(step)
        resources = []
        for name, changes in by_topic.items():
            entries = [
                ConfigEntry(change.key, change.value, incremental_operation=AlterConfigOpType.SET)
                for change in changes
            ]
            resources.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
        if resources:
            for future in self._admin.incremental_alter_configs(resources).values():
                future.result(self._timeout_s)
