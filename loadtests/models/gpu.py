"""`make gpu-check`: the second stage on a GPU against the CPU. Skips, loudly, where there is no
GPU.

`--prepare` (in the product's environment) trains the model; the check itself needs only the extra
scorer-gpu.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from loadtests.models.serving import by_batch, first_request
from loadtests.rows import Row, write_result
from riskstream.platform.adapters.onnx_session import (
    PROVIDERS,
    Device,
    DeviceGone,
    OnnxSession,
    off_provider,
)

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build/gpu-check"
ROWS = 4096
MAX_DIFFERENCE = 1e-5


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.models.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--prepare", action="store_true")
    given = parser.parse_args()
    if given.prepare:
        _prepare()
        return 0
    rows, skipped = [], []
    raw, inputs = (WORK / "model/stage2.onnx").read_bytes(), np.load(WORK / "rows.npy")
    for provider in ("cuda", "tensorrt"):
        try:
            if PROVIDERS[provider] not in ort.get_available_providers():
                raise DeviceGone(
                    f"ONNX Runtime {ort.__version__} here has no {PROVIDERS[provider]}"
                )
            rows += _check(provider, raw, inputs)
        except DeviceGone as error:
            why = str(error).splitlines()[0][:300]
            print(f"SKIPPED, not checked on a GPU: {provider}: {why}", file=sys.stderr)
            skipped.append({"name": provider, "why": why})
    result = write_result(
        given.out / "gpu.json", "the student of `riskstream train --stage2 fp32`", rows, skipped
    )
    return 1 if any(row["ok"] is False for row in result["rows"]) else 0


def _check(provider: str, raw: bytes, inputs: np.ndarray) -> list[Row]:
    where, columns = WORK / "model/stage2.onnx", inputs.shape[1]
    device = Device(provider, WORK)

    def make() -> OnnxSession:
        return OnnxSession(raw, columns, where, device=device)

    with tempfile.TemporaryDirectory() as folder:
        profiled = OnnxSession(raw, columns, where, device=device, profile=Path(folder) / provider)
        found = profiled.predict(inputs)
        elsewhere = off_provider(profiled.end_profiling(), provider)
    cpu = OnnxSession(raw, columns, where)
    return [
        Row.most(
            f"{provider} against the CPU, largest difference",
            [float(np.abs(found - cpu.predict(inputs)).max())],
            "",
            MAX_DIFFERENCE,
        ),
        Row.most(
            f"{provider}: nodes that ran elsewhere {elsewhere or ''}".strip(),
            [float(len(elsewhere))],
            "",
            0,
        ),
        first_request(provider, lambda: partial(make().predict, inputs[:1])),
        *by_batch(f"student on {provider}", make(), inputs),
        *by_batch("student on the CPU, one thread", cpu, inputs),
    ]


def _prepare() -> None:
    import pyarrow.parquet as pq

    from riskstream.domain.risk.features.standard import STANDARD
    from riskstream.workbench.rows.dataset import read_dataset
    from riskstream.workbench.simulator.simulate import Simulation, simulate
    from riskstream.workbench.training.fit import FitSettings, train

    WORK.mkdir(parents=True, exist_ok=True)
    pq.write_table(simulate(Simulation(seed=2, customers=1500, days=40)), WORK / "in.parquet")
    data = read_dataset(WORK / "in.parquet", STANDARD)
    train(data, STANDARD, FitSettings(trees=100, stage2="fp32"), WORK / "model")
    np.save(WORK / "rows.npy", data.rows[-ROWS:])


if __name__ == "__main__":
    sys.exit(main())
