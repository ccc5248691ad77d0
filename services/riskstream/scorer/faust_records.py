"""From Faust's events to a micro-batch, and from its outcome to records that Faust sends."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import structlog

from riskstream.platform.kafka.clients.limits import fitted, producer_bytes, short_key
from riskstream.platform.kafka.lanes.ports import LIVE, Batch, Outcome
from riskstream.platform.kafka.rejects import dead_letter_headers
from riskstream.platform.kafka.traced import context_in, header_of
from riskstream.platform.telemetry.span import Hop
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("faust")
Sent = tuple[str, Any, Any, int, Any]
"""(topic, key, value, partition, headers)."""


def batch_of(
    events: list[Any],
    positions: Mapping[int, int],
    partition_count: int,
) -> Batch:
    """`positions`: of each partition the last source offset answered."""
    messages = [event.message for event in events]
    partitions = np.array([message.partition for message in messages], np.int32)
    offsets = np.array([message.offset for message in messages], np.int64)
    prevs = np.empty(len(events), np.int64)
    for partition in np.unique(partitions).tolist():
        rows = np.flatnonzero(partitions == partition)
        prevs[rows[0]] = positions[partition]
        prevs[rows[1:]] = offsets[rows[:-1]]
    return Batch(
        values=[message.value for message in messages],
        keys=[message.key for message in messages],
        partitions=partitions,
        offsets=offsets,
        prevs=prevs,
        appended_at=np.array([round(message.timestamp * 1000) for message in messages], np.int64),
        modes=np.full(len(events), LIVE, np.uint8),
        partition_count=partition_count,
        traces={
            index: context
            for index, message in enumerate(messages)
            if message.headers
            and (context := context_in(dict(message.headers).items())) is not None
        },
    )


def records_of(
    settings: ScorerSettings, batch: Batch, outcome: Outcome, hops: dict[int, Hop]
) -> list[Sent]:
    """Scores in order, then dead letters."""
    records: list[Sent] = [
        (
            settings.output,
            short_key(batch.keys[index])[0],
            frame,
            int(batch.partitions[index]),
            header_of(hops[index].context) if index in hops else None,
        )
        for index, frame in enumerate(outcome.frames)
        if frame is not None
    ]
    for index, reason in outcome.rejected:
        partition = int(batch.partitions[index])
        headers: Any = dead_letter_headers(
            settings.source, partition, int(batch.offsets[index]), reason, batch.values[index]
        )
        if index in hops:
            hops[index].error = f"rejected: {reason}"
            headers += header_of(hops[index].context)
        key, value, headers = fitted(
            batch.keys[index], batch.values[index], headers, producer_bytes()
        )
        records.append((settings.dead_letters, key, value, partition, headers))
    return records


async def send(producer: Any, records: list[Sent]) -> None:
    """In order, until the broker has all; what failed is sent again, with all that came after
    it.
    """
    while records:
        sent = [
            await producer.send(topic, k, v, p, None, headers)
            for topic, k, v, p, headers in records
        ]
        results = await asyncio.gather(*sent, return_exceptions=True)
        failed = next(
            (index for index, result in enumerate(results) if isinstance(result, BaseException)),
            len(records),
        )
        records = records[failed:]
        if records:
            log.warning(
                "produce failed; trying again", error=str(results[failed]), records=len(records)
            )
            await asyncio.sleep(0.2)
