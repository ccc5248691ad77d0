"""How a lane gives records to its producer: in order, and no further than there is room.

How many at a time is for the lane to say; what it waits for, and what a refusal means, too.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from confluent_kafka import Producer
from numpy.typing import NDArray

from riskstream.domain.contracts.joined import Joined


@dataclass(frozen=True, slots=True)
class Records:
    """n records of one topic: frames, of which none is None, keys, and where each belongs."""

    frames: Joined
    keys: Joined
    partitions: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.partitions)

    def kept(self, is_kept: NDArray[np.bool_]) -> "Records":
        """Only the records where `is_kept`, bool[n], is True."""
        return Records(self.frames.kept(is_kept), self.keys.kept(is_kept), self.partitions[is_kept])

    def row(self, at: int) -> tuple[bytes | None, bytes | None, int]:
        """(frame, key, partition) of one record."""
        return self.frames[at], self.keys[at], int(self.partitions[at])


class Put(Protocol):
    """Gives records to a producer of one topic, without a delivery report."""

    def put(self, records: Records, first: int, stop: int) -> int:
        """Give it records first..stop-1 in order; the first that it did not take, `stop` where it
        took all. KafkaException where it refuses one.
        """
        ...

    def close(self) -> None:
        """Give back what is held of the producer."""
        ...


class PythonPut:
    """A Put by confluent-kafka's own calls."""

    def __init__(self, client: Producer, topic: str) -> None:
        self._client, self._topic = client, topic

    def put(self, records: Records, first: int, stop: int) -> int:
        left = zip(
            records.frames[first:stop],
            records.keys[first:stop],
            records.partitions[first:stop].tolist(),
            strict=True,
        )
        produce, topic = self._client.produce, self._topic
        try:
            for frame, key, partition in left:  # once a record: nothing may be added to it
                produce(topic, frame, key, partition)
        except BufferError:
            return stop - 1 - len(list(left))
        return stop

    def close(self) -> None: ...
