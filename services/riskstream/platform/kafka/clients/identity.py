"""Which topics a state is of: one that was made again under the same name, or has other partitions,
is another.
"""

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from riskstream.platform.kafka.clients.client import admin_client, translated


def identity_of(admin: AdminClient, source: str, output: str) -> tuple[str, int]:
    """(ids and partition counts of both topics as one text, the source's partition count)."""
    parts = []
    found = admin.describe_topics(TopicCollection([source, output]), request_timeout=10)
    for name in (source, output):
        description = found[name].result(10)
        parts.append(f"{name}={description.topic_id}/{len(description.partitions)}")
    return ";".join(parts), len(found[source].result(10).partitions)


def read_identity(kafka: str, source: str, output: str) -> tuple[str, int]:
    """The same from a cluster's address; Retryable or Fatal as the client's errors are."""
    try:
        return identity_of(admin_client(kafka), source, output)
    except (KafkaException, TimeoutError) as error:
        raise translated(error, kafka) from error
