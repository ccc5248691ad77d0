"""A Put that gives librdkafka records out of joined buffers, in compiled code."""

from confluent_kafka import Producer

from riskstream.platform.kafka.clients.native.kernels import put_kernel
from riskstream.platform.kafka.clients.native.library import Library, Unfit
from riskstream.platform.kafka.clients.put import Records


class NativePut:
    """Of a producer and one topic. A record that the producer does not take is for confluent-kafka
    to try: it says why.
    """

    def __init__(self, client: Producer, topic: str, library: Library) -> None:
        self._topic = None
        self._calls = library.calls
        handle = library.handle(client)
        self._topic = library.call["rd_kafka_topic_new"](handle, topic.encode(), None)
        if not self._topic:
            raise Unfit(f"librdkafka makes no handle of topic {topic}")
        # kept: the topic must be gone before the client is
        self._client, self._library = client, library

    def put(self, records: Records, first: int, stop: int) -> int:
        if first >= stop:
            return stop
        frames, keys = records.frames, records.keys
        done: int = put_kernel(
            self._calls,
            self._topic,
            first,
            stop,
            records.partitions,
            frames.data,
            frames.ends,
            keys.data,
            keys.ends,
            keys.nulls,
        )
        return done

    def close(self) -> None:
        topic, self._topic = self._topic, None
        if topic and self._library.is_open(self._client):
            self._library.call["rd_kafka_topic_destroy"](topic)

    def __del__(self) -> None:
        self.close()
