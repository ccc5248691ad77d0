"""A4 of the protocol: what the tail of the output says of source offsets after s. Reads only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from confluent_kafka import KafkaError, TopicPartition
from numpy.typing import NDArray

from riskstream.platform.kafka.clients.client import raise_if_error
from riskstream.platform.kafka.clients.giants import end_of, is_giant
from riskstream.platform.kafka.clients.native.choice import Way, take_of
from riskstream.platform.kafka.clients.starts import is_expired
from riskstream.platform.kafka.lanes.exact.standing import Hold, Standing
from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import AnswerReader
from riskstream.runtime.errors import Retryable
from riskstream.runtime.machine import monotonic

log = structlog.get_logger("lane")
_TIMEOUT_S = 10.0
_STEP_BACK = 10_000
_MOST = 10_000
"""Records that are taken at once."""


class OutputTail:
    """Reads verdicts of one output topic. `steps` grows with each piece; for the watchdog."""

    def __init__(
        self, bootstrap: str, output: str, answers: AnswerReader, way: Way = "auto"
    ) -> None:
        """`way`: as `take_of`."""
        self._bootstrap, self._output, self._answers = bootstrap, output, answers
        self._way = way
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
        take = take_of(client, self._way, is_told=False)
        position, heard_at = start, monotonic()

        def go_on_at(offset: int) -> None:
            place = [TopicPartition(self._output, partition, offset)]
            take.own(place)
            client.assign(place)

        try:
            go_on_at(start)
            while position < end:
                if not take.wait(0.2):
                    if monotonic() - heard_at > _TIMEOUT_S:
                        raise Retryable(
                            what=f"no answer from {self._output}", where=f"partition {partition}"
                        )
                    continue
                polled, told = take.polled(_MOST)
                self.steps += len(polled) + len(told)
                if len(polled):
                    position = int(polled.offsets[-1]) + 1
                    is_asked = polled.offsets < end
                    kept = polled if is_asked.all() else polled.kept(is_asked)
                    self._collect(kept.values, kept.offsets, stored_src, found)
                for _, offset, error in told:
                    behind = self._behind(partition, offset, error)
                    if is_giant(error):
                        go_on_at(behind)
                    position = max(position, behind)
                heard_at = monotonic()
            client.assign([])  # nothing of this read comes to whoever asks the client next
        finally:
            take.close()

    def _behind(self, partition: int, offset: int, error: KafkaError) -> int:
        """Where it goes on after what the client told at an offset; Retryable where it cannot."""
        if is_expired(error):
            raise Retryable(
                what=f"records of {self._output} expired meanwhile",
                where=f"partition {partition}",
            )
        if is_giant(error):  # no score of ours
            return end_of(self._bootstrap, self._output, partition, offset)
        raise_if_error(error, f"{self._output}[{partition}]")
        return offset

    def _collect(
        self,
        frames: Sequence[bytes | None],
        offsets: NDArray[np.int64],
        stored_src: int,
        found: Verdicts,
    ) -> None:
        if not len(frames):
            return
        read = self._answers.read(frames)
        if read.is_unread.any():
            at = int(read.is_unread.argmax())
            schema = int.from_bytes((frames[at] or b"")[1:5], "big")
            raise Hold(
                why=f"the record of {self._output} at offset {offsets[at]} has schema "
                f"{schema}, which this scorer does not know. So "
                "the scorer cannot tell which transaction it answers. Run `riskstream topics "
                "apply` of the version that wrote it, and the partition goes on by itself. If no "
                "riskstream version wrote it, see docs/runbooks/PartitionHeld.md"
            )
        for row in np.flatnonzero(
            ~read.is_answer
        ).tolist():  # who counts answers misses what it may stand in the place of
            log.error(
                "a record that is not a score is left out",
                topic=self._output,
                offset=int(offsets[row]),
            )
        kept = np.flatnonzero((read.srcs > stored_src) & read.is_answer)
        srcs, outputs = read.srcs[kept], offsets[kept]
        reasons: dict[int, str] = {}
        for row in read.reasons:
            if (src := int(read.srcs[row])) > stored_src:
                reasons.setdefault(src, read.reasons[row])
        found.add(srcs, read.prevs[kept], outputs, read.verdicts[kept], reasons, read.answers[kept])
