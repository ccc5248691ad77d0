"""Our lane in two variants that only the bench needs: `null` (no model, no windows) and `off` (not
exact by position).
"""

import sys

import numpy as np
from numpy.typing import NDArray

from loadtests.peers.options import Options
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.declare import FeatureSet, Input, InputFeature
from riskstream.domain.risk.features.owned.repeats import Told
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.lanes.exact.lane import Lane, Stores
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.ports import LIVE, Batch, Mark, ReadResult, StateStore
from riskstream.platform.telemetry.metrics import LaneMetrics
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import freeze_garbage_collector, stop_event
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.fold import VERDICT_GOOD, VERDICT_REJECTED, Applied, Fold, Judged
from riskstream.scorer.policy import Policy

NOTHING = FeatureSet(
    name="nothing",
    version=1,
    inputs=(InputFeature(name="amount", input=Input.AMOUNT),),
    features=(),
)


class NullModel:
    """Approves everything."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(len(rows), np.float32)


class NullFold(Fold):
    """Decodes and judges; keeps no state."""

    def apply(
        self, judged: Judged, rows: ReadResult, out: NDArray[np.float32] | None = None
    ) -> Applied:
        assert out is not None
        n = len(judged.is_good)
        live = judged.batch.modes == LIVE
        scored = live & judged.is_good
        none = np.zeros(n, np.int64)
        return Applied(
            live=live,
            scored=scored,
            slots=judged.slots,
            verdicts=np.where(scored, VERDICT_GOOD, VERDICT_REJECTED).astype(np.uint8),
            # none in the sample that gets reasons
            ids=np.full(n, np.iinfo(np.uint64).max, np.uint64),
            told=Told(
                places=np.full(n, -1, np.int32),
                priors=none,
                takes=none,
                is_corrected=np.zeros(n, np.uint8),
            ),
            vectors=out[:n],
            is_cold=np.zeros(n, np.bool_),
            abandoned=rows.abandoned,
            ahead={},
        )

    def _find(
        self, batch: Batch, columns: Columns, is_good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], dict[int, NDArray[np.int32]]]:
        return np.zeros(len(is_good), np.int32), {}


class NoStore:
    """Remembers no row and agrees to everything."""

    def __init__(self) -> None:
        self._s: dict[int, int] = {}

    def mark(self, partition: int) -> Mark | None:
        return None

    def read(
        self, keys: dict[int, list[bytes]], since: dict[int, int] | None = None
    ) -> dict[int, tuple[int | None, list[bytes | None]]]:
        return {
            partition: (self._s.get(partition), [None] * len(wanted))
            for partition, wanted in keys.items()
        }

    def checkpoint(
        self,
        partition: int,
        high: int,
        mark: Mark,
        rows: list[tuple[bytes, bytes]],
        replaces: int | None = None,
    ) -> int | None:
        self._s[partition] = mark.stored_src
        return mark.stored_src


def main() -> None:
    variant, redis, *rest = sys.argv[1:]
    given = Options.of(rest)
    model = OnnxModel(_folder(given.model), STANDARD)
    policy = Policy(
        model_version="bench",
        review_from=given.review_from,
        block_from=given.block_from,
        paths=model.paths,
    )
    store: StateStore
    overrides: dict[str, object] = {}
    if variant == "null":
        core = ScorerCore(NOTHING, NullModel(), policy, 2048, "EUR", NullFold(NOTHING, "EUR"))
        store = RedisStateStore(redis, f"{given.group}.nothing")
    else:
        core, store = ScorerCore(STANDARD, model, policy, 2048, "EUR"), NoStore()
        overrides = {"enable.gapless.guarantee": False, "enable.idempotence": False}
    compile_all()
    settings = LaneSettings(
        kafka=given.kafka,
        group=given.group,
        source=given.source,
        output=given.output,
        dead_letters="transactions.v1.dlq",
        producer_overrides=overrides,
    )
    lane = Lane(settings, core, Stores(store), LaneMetrics(), stop_event())
    freeze_garbage_collector()
    lane.run()


def _folder(model: str):  # type: ignore[no-untyped-def]
    from pathlib import Path

    return Path(model).parent


if __name__ == "__main__":
    main()
