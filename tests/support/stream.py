"""Events into a KeyTable, batch by batch."""

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.risk.features.declare import FeatureSet, Kind
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats_kernel import LIVE
from riskstream.domain.risk.features.owned.table import KeyTable


def hash_of(name: str) -> int:
    """The hash of an id."""
    return hash(name) & (2**63 - 1)


class Stream:
    """Feeds events to a KeyTable in batches."""

    def __init__(self, features: FeatureSet) -> None:
        self.features = features
        self.table = KeyTable(features, slots=4)
        self.width = len(features.names)
        self.offset = 0

    def apply(
        self,
        events: list[tuple[str, int, int, str]],
        mode: int = LIVE,
        partition: int = 0,
        kinds: list[Kind] | None = None,
        corrects: list[str | None] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        n = len(events)
        keys = [key.encode() for key, *_ in events]
        lengths = np.array([len(key) for key in keys], np.int32)
        starts = (np.cumsum(lengths) - lengths).astype(np.int64)
        data = np.frombuffer(b"".join(keys), np.uint8)
        slots, fresh = self.table.resolve(
            data, starts, lengths, np.full(n, partition, np.int32), np.ones(n, np.uint8)
        )
        for slot in fresh.tolist():
            self.table.load(slot, None)
        out = np.full((n, self.width), np.nan, np.float32)
        verdicts = np.zeros(n, np.uint8)
        batch = Events(
            slots=slots,
            times=np.array([e[1] for e in events], np.int64),
            ids=np.array([hash_of(e[3]) for e in events], np.uint64),
            offsets=np.arange(self.offset, self.offset + n),
            modes=np.full(n, mode, np.uint8),
            verdicts=verdicts,
            amounts=np.array([e[2] for e in events], np.int64),
            kinds=np.array(kinds or [], np.int64),
            corrects=np.array([hash_of(e) if e else 0 for e in corrects or []], np.uint64),
        )
        self.told = self.table.apply(batch, out)
        self.offset += n
        return verdicts, out

    def packed_and_loaded(self) -> "Stream":
        """Another stream that goes on from this one's changed rows, loaded behind a key of its
        own.
        """
        slots = self.table.changed_slots(0)
        rows = dict(zip(map(self.table.key, slots.tolist()), self.table.pack(slots), strict=True))
        again = Stream(self.features)
        again.apply([("before", 0, 0, "x")])
        again.offset = self.offset
        keys = list(rows)
        lengths = np.array([len(key) for key in keys], np.int32)
        starts = (np.cumsum(lengths) - lengths).astype(np.int64)
        fresh, _ = again.table.resolve(
            np.frombuffer(b"".join(keys), np.uint8),
            starts,
            lengths,
            np.zeros(len(keys), np.int32),
            np.ones(len(keys), np.uint8),
        )
        for slot, key in zip(fresh.tolist(), keys, strict=True):
            assert again.table.load(slot, rows[key])
        return again
