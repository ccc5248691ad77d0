"""Derived and forward lanes that a test runs in its own process, on threads."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry

from riskstream.domain.contracts.joined import Joined
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.lanes.ports import Forwarded, Intake
from riskstream.platform.kafka.record import Made, Output, OutputRows, Record
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from tests.support.own_topics import OwnTopics


class Echo:
    """A derived lane's work that notes what it takes."""

    def __init__(self, state_topic: str, gate: threading.Event) -> None:
        self.state_topics, self._gate = (state_topic,), gate
        self.tails: dict[str, Callable[[Record], bool]] = {}
        self.taken: list[int] = []

    def resume(self, partition: int, metadata: str | None) -> None: ...

    def restore(self, partition: int, records: Iterable[Record]) -> None: ...

    def start(self, partition: int, flushed: int | None) -> int:  # noqa: ARG002
        return flushed or 0

    def take(self, partition: int, records: Sequence[Record], committed: int) -> list[Output]:  # noqa: ARG002
        self.taken += [each.offset for each in records]
        self._gate.wait()
        return []

    def arrived_at(self, partition: int) -> int | None:  # noqa: ARG002
        return None

    def settle(self, partition: int, committed: int) -> list[Output]:  # noqa: ARG002
        return []

    def flush(self, partition: int) -> list[Output]:  # noqa: ARG002
        return []

    def metadata(self, partition: int) -> str:  # noqa: ARG002
        return ""

    def drop(self, partition: int) -> None: ...


class Counting:
    """A derived lane's work: the running number of records of each partition, written behind each
    of them, and as state.
    """

    def __init__(self, state: str, output: str) -> None:
        self.state_topics, self._output = (state,), output
        self.tails: dict[str, Callable[[Record], bool]] = {}
        self._counts: dict[int, int] = {}

    def resume(self, partition: int, metadata: str | None) -> None: ...

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        self._counts[partition] = max((int(each.value or b"0") for each in records), default=0)

    def start(self, partition: int, flushed: int | None) -> int:  # noqa: ARG002
        return flushed or 0

    def take(self, partition: int, records: Sequence[Record], committed: int) -> list[Made]:
        """One record alone, the others as rows: a lane writes both."""
        out = []
        for record in records:
            self._counts[partition] += 1
            if record.offset >= committed:
                out.append(self._of(self._output, partition))
        rows = OutputRows(
            topic=self._output,
            partition=partition,
            keys=Joined.of([each.key for each in out[1:]]),
            values=Joined.of([each.value for each in out[1:]]),
        )
        return [*out[:1], rows]

    def arrived_at(self, partition: int) -> int | None:  # noqa: ARG002
        return None

    def settle(self, partition: int, committed: int) -> list[Output]:  # noqa: ARG002
        return []

    def flush(self, partition: int) -> list[Output]:
        return [self._of(self.state_topics[0], partition)]

    def metadata(self, partition: int) -> str:  # noqa: ARG002
        return ""

    def drop(self, partition: int) -> None:
        self._counts.pop(partition, None)

    def _of(self, topic: str, partition: int) -> Output:
        return Output(
            topic=topic, partition=partition, key=b"n", value=b"%0100d" % self._counts[partition]
        )


class Running:
    """A lane on a thread of its own; `failed` is what it ended with."""

    def __init__(self, lane: Any, stop: threading.Event) -> None:
        self.failed: list[BaseException] = []
        self._lane, self._stop = lane, stop
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._lane.run()
        except Exception as error:
            self.failed.append(error)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def derived_lane(own: OwnTopics, gate: threading.Event) -> tuple[Running, Echo]:
    stop, work = threading.Event(), Echo(own.output, gate)
    settings = DerivedSettings(
        kafka=own.kafka, group=own.group, source=own.source, instance="0", commit_ms=50
    )
    return Running(
        DerivedLane(settings, work, ProfilerMetrics(CollectorRegistry()), stop), stop
    ), work


def open_gate() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


class Through:
    """A forward lane's work: each record as it is."""

    broken: ClassVar[list[tuple[int, str]]] = []

    def take(self, intake: Intake) -> Forwarded:
        return Forwarded.of(
            [
                (key or b"", value or b"", row)
                for row, (key, value) in enumerate(zip(intake.keys, intake.values, strict=True))
            ]
        )
