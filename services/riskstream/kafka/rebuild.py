"""Makes the state of a partition again from its topics: recorded verdicts and source records through the lane's own work."""

from collections.abc import Callable

from confluent_kafka import TopicPartition

from riskstream.kafka.client import consumer, raise_if_error
from riskstream.kafka.lane_intake import batch_of
from riskstream.kafka.owned import Owned, Phase
from riskstream.kafka.ports import LaneWork, Mark, ReadResult, RebuiltStore
from riskstream.kafka.recovery import Hold, Recovered, Recovery
from riskstream.runtime.errors import Fatal, Retryable

_ROWS_A_CHECKPOINT = 20_000
_QUIET_S = 30.0


def rebuild_partition(
    kafka: str, group: str, source: str, output: str, partition: int, work: LaneWork, store: RebuiltStore,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[int, int]:  # fmt: skip
    """(records applied, rows written). The store's partition is emptied first and written as the replay goes on.

    Ended half-way it leaves a state that is right up to its watermark; a scorer goes on from there. Fatal where the topics
    do not reach back to the partition's beginning.
    """
    recovery = Recovery(kafka, group, source, output, store)
    try:
        found = recovery.recover(partition, from_start=True)
    except Hold as hold:
        raise Fatal(what=hold.why, where=f"{source}[{partition}]", do="rebuild needs both topics whole") from hold
    store.clear(partition)
    return _replay(kafka, group, source, found, partition, work, store, progress)


def _replay(
    kafka: str, group: str, source: str, found: Recovered, partition: int, work: LaneWork, store: RebuiltStore,
    progress: Callable[[int], None],
) -> tuple[int, int]:  # fmt: skip
    owned = Owned(
        partition=partition, number=1, phase=Phase.RUNNING, position=found.s, o=found.o, recorded=found.recorded,
        partition_count=found.partition_count, identity=found.identity,
    )  # fmt: skip
    reader = consumer(kafka, f"{group}-rebuild")
    applied = written = since = 0
    quiet_s = 0.0
    try:
        reader.assign([TopicPartition(source, partition, found.start)])
        while owned.position < found.o:
            messages = reader.consume(2048, 0.2)
            for message in messages:
                raise_if_error(message.error(), f"{source}[{partition}]")
            good = [each for each in messages if each.error() is None and (each.offset() or 0) <= found.o]
            quiet_s = 0.0 if good else quiet_s + 0.2
            if quiet_s > _QUIET_S:
                raise Retryable(what=f"no answer from {source} at {owned.position + 1}", where=f"partition {partition}")
            batch = batch_of(good, {partition: owned}, _nothing_stored, _refuse)
            if batch is None:
                continue
            work.process(batch)
            owned.position = int(batch.offsets[-1])
            applied += len(good)
            since += len(good)
            progress(len(good))
            if since >= _ROWS_A_CHECKPOINT or owned.position >= found.o:
                rows = work.take_changed(partition)
                t = owned.position
                mark = Mark(s=t, e=found.recorded[t].output_offset, identity=found.identity)
                if store.checkpoint(partition, -1, mark, rows) != t:
                    raise Fatal(
                        what="another process writes this partition's state",
                        where=f"{source}[{partition}]",
                        do="stop the scorers",
                    )
                written += len(rows)
                since = 0
    finally:
        reader.close()
        work.drop(partition)
    return applied, written


def _nothing_stored(keys: dict[int, list[bytes]]) -> ReadResult:
    """The store was emptied: every row is new."""
    rows: dict[int, list[bytes | None]] = {partition: [None] * len(wanted) for partition, wanted in keys.items()}
    return ReadResult(rows=rows, unreadable=frozenset(), abandoned=frozenset())


def _refuse(owned: Owned, why: str) -> None:
    raise Fatal(what=why, where=f"partition {owned.partition}", do="rebuild needs both topics whole")
