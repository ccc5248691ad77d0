"""The lane's offsets in its group: for lag tools, and as a floor of what the next owner knows to be
answered.
"""

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase
from riskstream.runtime.faults import fault_point

log = structlog.get_logger("lane")


def commit(client: Consumer, source: str, owned_by: dict[int, Owned]) -> None:
    """Commit a + 1 of each running partition where it is news; a failed commit is ignored."""
    offsets = []
    for owned in owned_by.values():
        if owned.phase in (Phase.RUNNING, Phase.WAITING) and (
            owned.acked_src > owned.committed or owned.empty_to() > owned.told_empty_to
        ):
            owned.committed, owned.told_empty_to = owned.acked_src, owned.empty_to()
            offsets.append(
                TopicPartition(source, owned.partition, owned.acked_src + 1, owned.empty_metadata())
            )
    if not offsets:
        return
    try:
        client.commit(offsets=offsets, asynchronous=True)
    except KafkaException as error:
        log.debug("commit failed", error=str(error))
    fault_point("committed")
