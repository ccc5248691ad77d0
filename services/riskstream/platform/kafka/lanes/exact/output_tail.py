"""A4 of the protocol: what the tail of the output says of source offsets after s. Reads only."""

from typing import Any

import numpy as np
import structlog
from confluent_kafka import TopicPartition

from riskstream.platform.kafka.clients.client import raise_if_error
from riskstream.platform.kafka.clients.giants import end_of, is_giant
from riskstream.platform.kafka.clients.starts import is_expired
from riskstream.platform.kafka.lanes.exact.standing import Hold, Standing
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import AnswerReader
from riskstream.runtime.errors import Retryable

log = structlog.get_logger("lane")
_TIMEOUT_S = 10.0
_STEP_BACK = 10_000


class OutputTail:
    """Reads verdicts of one output topic. `steps` grows with each piece; for the watchdog."""

    def __init__(self, bootstrap: str, output: str, answers: AnswerReader) -> None:
        self._bootstrap, self._output, self._answers = bootstrap, output, answers
        self.steps = 0

    def empty(self) -> Verdicts:
        """No verdict."""
        return Verdicts(self._answers.verdicts)

    def read(self, client: Any, partition: int, standing: Standing, start: int) -> Verdicts:
        """Verdicts of source offsets after `stored_src`, from the records at output offsets `start`
        to the end. Offsets up to `known_src` were surely answered: the standing says which these
        are, before its own verdicts are read.

        A late append of an owner before may stand on both sides of `start`: what is missing then is
        looked for further back, down to the output's first record.
        """
        stored_src, known_src, low = standing.base, standing.known_src, standing.output_low
        found = self.empty()
        self._read(client, partition, start, standing.output_high, stored_src, found)
        step = _STEP_BACK
        while start > low and found.hole(stored_src, max(known_src, found.highest())) is not None:
            before, start = start, max(low, start - step)
            self._read(client, partition, start, before, stored_src, found)
            step *= 4
        return found

    def _read(
        self, client: Any, partition: int, start: int, end: int, stored_src: int, found: Verdicts
    ) -> None:
        if start >= end:
            return
        client.assign([TopicPartition(self._output, partition, start)])
        position = start
        quiet_s = 0.0
        while position < end:
            messages = client.consume(10_000, 0.2)
            self.steps += len(messages)
            frames, offsets = [], []
            for message in messages:
                if message.error() is not None:
                    if is_expired(message.error()):
                        raise Retryable(
                            what=f"records of {self._output} expired meanwhile",
                            where=f"partition {partition}",
                        )
                    if is_giant(message.error()):  # no score of ours
                        position = end_of(
                            self._bootstrap, self._output, partition, message.offset()
                        )
                        client.assign([TopicPartition(self._output, partition, position)])
                        continue
                    raise_if_error(message.error(), f"{self._output}[{partition}]")
                    position = max(position, message.offset())
                    continue
                position = message.offset() + 1
                if message.offset() < end:
                    frames.append(message.value())
                    offsets.append(message.offset())
            quiet_s = 0.0 if messages else quiet_s + 0.2
            if quiet_s > _TIMEOUT_S:
                raise Retryable(
                    what=f"no answer from {self._output}", where=f"partition {partition}"
                )
            self._collect(frames, offsets, stored_src, found)

    def _collect(
        self, frames: list[bytes], offsets: list[int], stored_src: int, found: Verdicts
    ) -> None:
        if not frames:
            return
        read = self._answers.read(frames)
        if read.is_unread.any():
            at = int(read.is_unread.argmax())
            raise Hold(
                why=f"the record of {self._output} at offset {offsets[at]} has schema "
                f"{int.from_bytes(frames[at][1:5], 'big')}, which this scorer does not know. So "
                "the scorer cannot tell which transaction it answers. Run `riskstream topics "
                "apply` of the version that wrote it, and the partition goes on by itself. If no "
                "riskstream version wrote it, see docs/runbooks/PartitionHeld.md"
            )
        for row in np.flatnonzero(
            ~read.is_answer
        ).tolist():  # who counts answers misses what it may stand in the place of
            log.error(
                "a record that is not a score is left out", topic=self._output, offset=offsets[row]
            )
        kept = np.flatnonzero((read.srcs > stored_src) & read.is_answer)
        srcs, outputs = read.srcs[kept], np.array(offsets, np.int64)[kept]
        reasons: dict[int, str] = {}
        for row in read.reasons:
            if (src := int(read.srcs[row])) > stored_src:
                reasons.setdefault(src, read.reasons[row])
        found.add(srcs, read.prevs[kept], outputs, read.verdicts[kept], reasons, read.answers[kept])
