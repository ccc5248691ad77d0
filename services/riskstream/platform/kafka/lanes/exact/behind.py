"""Whether a lane has work that it does not do; for the watchdog, from its thread."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from riskstream.platform.kafka.lanes.exact.owned import Owned, Phase


def is_behind(client: Consumer, source: str, owned: Iterable[Owned]) -> bool:
    """True where a partition is opening, or a running one has records that were not taken by what
    the last fetch told.

    A held one is not behind: it waits for a person.
    """
    for each in owned:
        if each.phase is Phase.OPENING:
            return True
        try:
            marks = client.get_watermark_offsets(
                TopicPartition(source, each.partition), cached=True
            )
        except (KafkaException, RuntimeError):  # RuntimeError: the consumer is closed
            return False
        if marks is not None and each.phase is Phase.RUNNING and marks[1] > each.position + 1:
            return not each.at_end
    return False
