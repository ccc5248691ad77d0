"""A batch that the lane's work or its reads cannot do: the process ends, and says which records
they were.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import structlog

from riskstream.domain.contracts.writers import SchemaWait
from riskstream.platform.kafka.lanes.ports import Batch
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

log = structlog.get_logger("lane")


@contextmanager
def naming(batch: Batch) -> Iterator[None]:
    """Round B2 and B3: any error but SchemaWait is logged with the records, which come again at the
    next start.

    What is not our own error becomes Fatal.
    """
    try:
        yield
    except SchemaWait:
        raise
    except (Fatal, Retryable):
        log.error("a batch ends the process", records=_told(batch))
        raise
    except Exception as error:
        log.exception("a batch cannot be scored", records=places(batch))
        log.error("a batch ends the process", records=_told(batch))
        raise Fatal(
            what=f"a batch cannot be scored: {type(error).__name__}: {error}",
            where=places(batch),
            exit_code=Exit.FAULT,
            do="see the log and docs/runbooks/ScorerStuck.md",
        ) from error


def places(batch: Batch) -> str:
    """The records of a batch by partition, for an error: `1: 100-120, 3: 7`."""
    return ", ".join(
        f"{number}: {first}-{last}" if last > first else f"{number}: {first}"
        for number, first, last in _spans(batch)
    )


def _told(batch: Batch) -> list[str]:
    """Each partition of a batch with its first and last offset, as `riskstream tail` takes them."""
    return [f"{number}:{first}-{last}" for number, first, last in _spans(batch)]


def _spans(batch: Batch) -> list[tuple[int, int, int]]:
    """(partition, first offset, last offset) of each partition of a batch."""
    found = []
    for number in np.unique(batch.partitions).tolist():
        offsets = batch.offsets[batch.partitions == number]
        found.append((number, int(offsets[0]), int(offsets[-1])))
    return found
