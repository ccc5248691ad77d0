"""Each lane is one span of a record's trace, written where the trace is sampled.

A batch has a span of its own, linked with those of its sampled records both ways. A record's span
hangs on the one that wrote it, so a trace reads from the caller to the alert without a gap.
(Instrumentation that opens one span a poll cannot do that: it has no parent to hang it on.)
"""

from collections.abc import Sequence

from riskstream.platform.kafka.lanes.ports import LIVE, Batch
from riskstream.platform.telemetry import conventions as names
from riskstream.platform.telemetry.context import TraceContext, new_trace
from riskstream.platform.telemetry.span import CONSUMER, MAX_LINKS, Hop, Span
from riskstream.platform.telemetry.tracing import Tracer


class HopSpans:
    """Writes the spans of a lane's batches."""

    def __init__(self, tracer: Tracer, topic: str, group: str) -> None:
        self.tracer = tracer
        self._name = f"process {topic}"
        self._shared: dict[str, str | int | float] = {
            names.MESSAGING_SYSTEM: "kafka",
            names.MESSAGING_OPERATION_TYPE: "process",
            names.MESSAGING_DESTINATION: topic,
        }
        self._group = group

    def begin(
        self, parents: list[TraceContext], partitions: list[int], offsets: list[int]
    ) -> list[Hop]:
        """A hop of each of these records."""
        return list(map(Hop, parents, self.tracer.span_ids(len(parents)), partitions, offsets))

    def of_live(self, batch: Batch) -> dict[int, Hop]:
        """By index a hop of each sampled record that is answered now: one that was before had its
        span then.
        """
        indices = [index for index in batch.traces if batch.modes[index] == LIVE]
        contexts = [batch.traces[index] for index in indices]
        hops = self.begin(
            contexts, batch.partitions[indices].tolist(), batch.offsets[indices].tolist()
        )
        return dict(zip(indices, hops, strict=True))

    def end(
        self,
        hops: Sequence[Hop],
        records: int,
        started_ns: int,
        ended_ns: int,
        more: dict[str, str | int | float] | None = None,
    ) -> None:
        """The batch's span and one a hop; nothing where they were passed on."""
        recorded = [hop for hop in hops if hop.span_id]
        if not recorded:
            return
        batch = new_trace()
        alike = Span(self._name, CONSUMER, batch, None, started_ns, ended_ns, self._shared, [batch])
        self.tracer.record_alike(alike, recorded)
        more = {
            names.MESSAGING_GROUP: self._group,
            names.MESSAGING_BATCH_COUNT: records,
            **(more or {}),
        }
        links = [hop.context for hop in recorded[:MAX_LINKS]]
        self.tracer.record(
            Span(
                f"{self._name} batch",
                CONSUMER,
                batch,
                None,
                started_ns,
                ended_ns,
                {**self._shared, **more},
                links,
            )
        )
