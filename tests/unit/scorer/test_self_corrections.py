"""A transaction that corrects itself is none: the scorer rejects it, the gateway refuses it
(test_bad_bodies).

The profiler makes no event of any correction.
"""

import numpy as np
from tests.support.builders import NOW_MS, frame

from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.judge import Judge, Keys
from riskstream.domain.risk.validity import REASONS
from riskstream.platform.kafka.lanes.ports import Intake
from riskstream.profiler.shuffle import TRANSACTIONS, ShuffleCore

VALUES: list[bytes | None] = [
    frame(transaction_id="t-1", corrects=each)
    for each in (None, "t-1", "t-2", "t-", "t-11", "c-1", "")
]
GOOD = [0, 2, 3, 4, 5, 6]


def test_only_a_correction_of_itself_is_rejected() -> None:
    decoder = ColumnDecoder("transaction.v1")
    keys = Keys.of([b"c-1"] * len(VALUES))
    reject = Judge(decoder.layout, "EUR").judge(
        decoder.decode(VALUES), keys, np.full(len(VALUES), NOW_MS)
    )
    reasons = [REASONS[each] for each in reject.tolist()]
    assert reasons == ["" if at in GOOD else "corrects_itself" for at in range(len(VALUES))]


def test_the_profiler_keeps_the_first_version_and_leaves_out_what_the_scorer_rejects() -> None:
    n = len(VALUES)
    events = ShuffleCore((TERMINAL,), 64).take(
        Intake(
            topic=TRANSACTIONS,
            values=VALUES,
            keys=[b"c-1"] * n,
            partitions=np.zeros(n, np.int32),
            offsets=np.arange(n),
            appended_at=np.full(n, NOW_MS),
        )
    )
    assert [row for _, _, row in events] == [0, 6], "an empty id is nobody's"
