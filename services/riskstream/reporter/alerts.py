"""What totals take of records of alerts.v1, as columns. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from riskstream.domain.contracts.bounds import ColumnBounds, decoded
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.columns_kernel import OK
from riskstream.domain.risk.decision import SCORE
from riskstream.platform.kafka.record import Records
from riskstream.platform.telemetry.context import TraceContext
from riskstream.runtime.errors import Rejected

_CONTRACT = "alert.v1"


class Alerts(NamedTuple):
    """n alerts of one partition, in order; instants in ms. `traces`: by row the context of each
    sampled one.
    """

    offsets: NDArray[np.int64]
    srcs: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    is_block: NDArray[np.bool_]
    traces: dict[int, TraceContext]

    @classmethod
    def chained(cls, parts: "Sequence[Alerts]") -> "Alerts":
        """The alerts of all parts, one part behind another."""
        begins = np.cumsum([0, *(len(part.offsets) for part in parts)]).tolist()
        return cls(
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.srcs for part in parts]),
            np.concatenate([part.occurred_at for part in parts]),
            np.concatenate([part.is_block for part in parts]),
            {
                begin + row: trace
                for begin, part in zip(begins, parts, strict=False)
                for row, trace in part.traces.items()
            },
        )


class AlertColumns:
    """Reads records as alerts."""

    def __init__(self) -> None:
        self._codec, self._decoder = codec(_CONTRACT), ColumnDecoder(_CONTRACT)
        self._bounds = ColumnBounds(_CONTRACT, self._decoder.layout)

    def read(self, records: Records) -> tuple[Alerts, int]:
        """Alerts that stand for a score, of some records of one partition, and how many records
        cannot be read. Gateways raise others. SchemaWait while the schema of one is being asked
        for.
        """
        columns = self._decoder.decode(records.values)
        is_good = (columns.status == OK) & ~self._bounds.broken(columns)
        srcs, times = columns.numbers("src").copy(), columns.numbers("occurred_at").copy()
        is_block = columns.numbers("decision") == columns.symbols("decision").index("BLOCK")
        is_counted, unreadable = is_good & columns.is_text("kind", SCORE.encode()), 0
        for row in np.flatnonzero(~is_good).tolist():
            try:
                said = decoded(self._codec, records.values[row])
            except Rejected:
                unreadable += 1
                continue
            srcs[row], times[row] = said["src"], said["occurred_at"]
            is_block[row], is_counted[row] = said["decision"] == "BLOCK", said["kind"] == SCORE
        rows = np.flatnonzero(is_counted)
        traces = records.traces
        if traces:
            places = dict(zip(rows.tolist(), range(len(rows)), strict=True))
            traces = {places[at]: each for at, each in traces.items() if at in places}
        found = Alerts(records.offsets[rows], srcs[rows], times[rows], is_block[rows], traces)
        return found, unreadable
