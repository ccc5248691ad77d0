"""One ONNX model behind ONNX Runtime: on the CPU, or on a GPU by CUDA or TensorRT.

On a GPU shapes are fixed: a batch is padded to the next bucket, in buffers bound once, so that
nothing is planned or allocated in mid-run. TF32 is off, so that a GPU gives the CPU's scores. A
graph of which a part would run on the CPU is refused: trees, for which CUDA has no kernel, always
run on the CPU.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
DEVICES = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}
BUCKETS = (1, 8, 64, 256, 1024)
"""Rows of the fixed shapes; more than the last are cut into several runs."""
_WARM = (1, 64, 1024)


class DeviceGone(Exception):
    """The provider is part of this ONNX Runtime, but its device could not be started or stopped
    answering.
    """


@dataclass(frozen=True, slots=True)
class Device:
    """What a session runs on: `provider` is one of PROVIDERS; in the folder `cache` TensorRT keeps
    the engines that it compiles.
    """

    provider: str = "cpu"
    cache: Path | None = None


CPU = Device()


@dataclass(frozen=True, slots=True)
class _Bound:
    """Buffers of one shape, bound: `given` and `found` stay where they are, on the device."""

    binding: Any
    given: ort.OrtValue
    found: ort.OrtValue
    staged: NDArray[np.float32]


class OnnxSession:
    """Probabilities float32[n] of rows float32[n, columns]. One thread, no spinning: the lane owns
    the core it runs on.

    `input` and `output` are the graph's names; `where` names the file in errors. `buckets`: fixed
    shapes, by default none on the CPU and BUCKETS elsewhere. Fatal where the model cannot be used;
    DeviceGone where the device cannot.
    """

    def __init__(
        self,
        raw: bytes,
        columns: int,
        where: Path,
        *,
        device: Device = CPU,
        buckets: tuple[int, ...] | None = None,
        profile: Path | None = None,
    ) -> None:
        self._where, self._columns = where, columns
        self.provider = device.provider
        self._session = _open(raw, where, device, profile)
        self.input, self.output = self._names()
        self._device = DEVICES[self.provider]
        sizes = buckets if buckets is not None else (() if self.provider == "cpu" else BUCKETS)
        self._buckets = [(size, self._bind(size)) for size in sorted(sizes)]
        self._warm()

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """DeviceGone where the device stops answering."""
        if not self._buckets:
            return _second(self._session.run([self.output], {self.input: rows})[0])
        most = self._buckets[-1][0]
        parts = [self._run_bound(rows[start : start + most]) for start in range(0, len(rows), most)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def end_profiling(self) -> Path:
        """Where the profile lies that was asked for by `profile`."""
        return Path(self._session.end_profiling())

    def _names(self) -> tuple[str, str]:
        """Names of the input and the output. Fatal where they are not one matrix in and
        probabilities out.
        """
        given, found = self._session.get_inputs(), self._session.get_outputs()
        if len(given) != 1 or given[0].type != "tensor(float)" or len(given[0].shape) != 2:
            shown = ", ".join(f"{each.name} {each.type}{each.shape}" for each in given)
            raise self._wrong(
                f"takes {shown}", f"give one that takes a float matrix of {self._columns} columns"
            )
        if given[0].shape[1] != self._columns:
            raise self._wrong(
                f"takes {given[0].shape[1]} columns", f"give one that takes {self._columns}"
            )
        if isinstance(given[0].shape[0], int):
            raise self._wrong(
                f"takes {given[0].shape[0]} rows", "export it with a free number of rows"
            )
        if found[-1].type != "tensor(float)":
            raise self._wrong(
                f"gives {found[-1].name} {found[-1].type}",
                "give one whose last output is float probabilities",
            )
        return given[0].name, found[-1].name

    def _width(self) -> list[int]:
        """Columns of the output. Fatal where their number is not fixed."""
        rest = self._session.get_outputs()[-1].shape[1:]
        if not all(isinstance(each, int) for each in rest):
            raise self._wrong(f"gives rows of {rest}", "export it with a fixed number of outputs")
        return list(rest)

    def _bind(self, size: int) -> _Bound:
        shape, width = [size, self._columns], self._width()
        try:
            given = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, self._device, 0)
            binding = self._session.io_binding()
            found = ort.OrtValue.ortvalue_from_shape_and_type(
                [size, *width], np.float32, self._device, 0
            )
            binding.bind_ortvalue_input(self.input, given)
            binding.bind_ortvalue_output(self.output, found)
        except Exception as error:  # onnxruntime raises classes of its own compiled module
            raise DeviceGone(str(error)) from error
        return _Bound(binding=binding, given=given, found=found, staged=np.zeros(shape, np.float32))

    def _run_bound(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        n = len(rows)
        bound = next(bound for size, bound in self._buckets if size >= n)
        bound.staged[:n] = rows
        try:
            bound.given.update_inplace(bound.staged)
            self._session.run_with_iobinding(bound.binding)
            out = bound.found.numpy()
        except Exception as error:  # as above
            raise DeviceGone(str(error)) from error
        return _second(out)[:n].copy()  # on the CPU it is the buffer itself

    def _warm(self) -> None:
        """Run every shape before anything waits for it, single rows last, as the first request will
        mostly be one.

        Fatal where the model gives no number for rows of zeros or NaN.
        """
        sizes = [size for size, _ in self._buckets] or list(_WARM)
        for size in sorted(sizes, reverse=True):
            for fill in (np.nan, *[0.0] * (20 if size == 1 else 2)):
                try:
                    scores = self.predict(np.full((size, self._columns), fill, np.float32))
                except DeviceGone:
                    raise
                except Exception as error:  # as above
                    raise self._wrong(f"cannot run: {error}", "train it again") from error
                if scores.shape != (size,) or not np.isfinite(scores).all():
                    raise self._wrong(
                        f"gives {scores[:1]} for {size} rows of {fill}", "train it again"
                    )

    def _wrong(self, what: str, do: str) -> Fatal:
        return Fatal(what=f"{self._where.name} {what}", where=str(self._where.parent), do=do)


def off_provider(profile: Path, provider: str) -> dict[str, int]:
    """{"operator on provider": runs} of the nodes that an ONNX Runtime profile shows on another
    provider than this one.
    """
    events = json.loads(profile.read_text())
    ran = [
        each["args"]
        for each in events
        if each.get("cat") == "Node" and "provider" in each.get("args", {})
    ]
    if not ran:
        raise ValueError(f"{profile} holds no node's run")
    wanted = PROVIDERS[provider]
    return dict(
        Counter(
            f"{each['op_name']} on {each['provider']}" for each in ran if each["provider"] != wanted
        )
    )


def _open(raw: bytes, where: Path, device: Device, profile: Path | None) -> ort.InferenceSession:
    name = PROVIDERS[device.provider]
    if name not in ort.get_available_providers():
        raise Fatal(
            what=f"this ONNX Runtime has no {name}",
            where="--provider",
            do="install the extra scorer-gpu in place of scorer, or give --provider cpu",
            exit_code=Exit.INPUT,
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    if device.provider != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # CUDA and cuDNN from their wheels, where they are there
    try:
        session = ort.InferenceSession(
            raw, options, providers=[(name, _options(device))], enable_fallback=0
        )
    except Exception as error:  # onnxruntime raises classes of its own compiled module
        if device.provider == "cpu":
            raise Fatal(
                what=f"{where.name} cannot be loaded: {str(error).splitlines()[0]}",
                where=str(where.parent),
                do="train it again",
            ) from error
        raise DeviceGone(str(error)) from error
    if session.get_providers()[0] != name:
        raise DeviceGone(f"{name} did not start: see ONNX Runtime's own message")
    return session


def _options(device: Device) -> dict[str, str]:
    if device.provider == "cuda":
        return {"use_tf32": "0"}
    if device.provider == "tensorrt":
        # TensorRT has no option of its own for it
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
        held = (
            {}
            if device.cache is None
            else {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(device.cache)}
        )
        return {"trt_fp16_enable": "0", **held}
    return {}


def _second(out: NDArray[Any]) -> NDArray[np.float32]:
    """The probability of fraud: the last column where there are several."""
    return np.ascontiguousarray(out[:, -1] if out.ndim == 2 else out, np.float32)
