"""Profiles through the real stack: the public book's data with its labels a week late, and how
fresh a vector is.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import redis
from numpy.typing import NDArray

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.evaluation import average_precision
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.handbook import HANDBOOK
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.domain.risk.partition import partition_kernel
from riskstream.platform.adapters.onnx_model import OnnxModel
from riskstream.platform.adapters.redis_profiles import prefix_of
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.workbench.local.chain import Chain, with_features
from riskstream.workbench.rows.dataset import Dataset, labels_of
from riskstream.workbench.rows.transactions import Transactions, read_transactions
from riskstream.workbench.training.fit import FitSettings, train

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/data/handbook/transactions_dev.parquet"
MAPPING = ROOT / "examples/mappings/handbook.yaml"
COMPARED_DAYS = 42
EVENTS_A_SECOND = 6000
MAX_AP_DIFFERENCE = 0.005
Found = tuple[Counter[str], list[str]]


def handbook(folder: Path, _model: Path, _seed: int) -> Found:
    """The last six weeks: customers' vectors against offline bit for bit, profiles at their place,
    average precision.
    """
    counts: Counter[str] = Counter()
    if not DATA.exists():
        print("SKIPPED handbook-stack: the handbook's data is not beside this checkout", flush=True)
        return counts, ["skipped: the handbook's data is not beside this checkout"]
    folder.mkdir(parents=True)
    data = read_transactions(DATA, is_labelled=True)
    vectors = data.vectors(HANDBOOK)
    times = data.columns.occurred_at
    first = int(np.searchsorted(times, times[-1] // DAY_MS * DAY_MS - (COMPARED_DAYS - 1) * DAY_MS))
    model = _model_of(
        data, vectors, int(np.searchsorted(times, times[first] - 7 * DAY_MS)), folder / "model"
    )
    riskstream = str(Path(sys.executable).with_name("riskstream"))
    env = with_features("handbook")
    with Chain(folder / "chain", model, names=("profiler", "scorer"), env=env) as chain:
        kafka = ("--kafka", chain.stack.kafka)
        started = time.monotonic()
        replay = [
            riskstream,
            "replay",
            str(DATA),
            "--mapping",
            str(MAPPING),
            "--rate",
            str(EVENTS_A_SECOND),
            *kafka,
        ]
        done = subprocess.run(replay, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            return counts, [f"replay: {done.stderr[-300:]}"]
        counts["replay_seconds"] = round(time.monotonic() - started)
        problems = _compare(chain.stack.kafka, data, vectors, first, model, counts)
        out = folder / "parity.json"
        parity = [riskstream, "parity", "--features", "handbook", "--json", str(out), *kafka]
        done = subprocess.run(parity, capture_output=True, text=True, check=False)
        if not out.exists():
            return counts, [*problems, f"parity: {done.stderr[-300:]}"]
        found = json.loads(out.read_text())
        for name in (
            "compared",
            "vectors_differ",
            "profiles_compared",
            "profiles_missing",
            "profiles_differ",
        ):
            counts[name] = found[name]
        problems += found["problems"]
    return counts, problems


def _model_of(data: Transactions, vectors: NDArray[np.float32], stop: int, out: Path) -> Path:
    """Trees on what was known a week before the compared rows; the first month is the run-in."""
    start = int(
        np.searchsorted(data.columns.occurred_at, data.columns.occurred_at[0] + 37 * DAY_MS)
    )
    part = slice(start, stop)
    rows = Dataset(
        rows=vectors[part],
        labels=labels_of(data)[part],
        occurred_at=data.columns.occurred_at[part],
        customers=data.customers[part],
        amounts_minor=data.columns.base_amount_minor[part],
    )
    train(rows, HANDBOOK, FitSettings(max_bin=4095), out)
    return out


def _compare(
    kafka: str,
    data: Transactions,
    vectors: NDArray[np.float32],
    first: int,
    model: Path,
    counts: Counter[str],
) -> list[str]:
    owned = len(HANDBOOK.inputs) + len(HANDBOOK.owned)
    n = len(vectors)
    scores = np.full(n, np.nan, np.float32)
    accepted = AcceptedScores()
    seen = differ = profiles_equal = 0
    end = time.monotonic() + 240
    with TopicReader(kafka, ["scores.v1"], committed_only=False) as reader:
        while seen < n and time.monotonic() < end:
            records = reader.poll(0.2, 4000)
            columns, found = accepted.take(records)
            for at in found:
                seen += 1
                row = int(columns.text("transaction_id", at).removeprefix("h-"))
                scores[row] = columns.floats[columns.layout.field("score").bank_row, at]
                for flag in columns.record(at)["flags"] if row >= first else ():
                    counts[f"flagged_{flag}"] += 1
                if row < first:
                    continue
                logged = columns.floats_of("features", at, len(HANDBOOK.names))
                differ += logged[:owned].tobytes() != vectors[row, :owned].tobytes()
                profiles_equal += logged[owned:].tobytes() == vectors[row, owned:].tobytes()
    rows = np.arange(first, n)
    labels = labels_of(data)[rows]
    offline = average_precision(labels, OnnxModel(model, HANDBOOK).predict(vectors[rows]))
    live = average_precision(labels, np.nan_to_num(scores[rows], nan=0.0))
    counts.update(
        sent=n,
        scored=seen,
        compared_rows=len(rows),
        customer_vectors_differ=differ,
        profile_vectors_as_offline=profiles_equal,
        average_precision_offline_ppm=round(offline * 1e6),
        average_precision_live_ppm=round(live * 1e6),
    )
    problems = []
    if seen != n:
        problems.append(f"{seen} of {n} scored")
    if differ:
        problems.append(f"{differ} customer vectors differ from offline")
    if abs(offline - live) > MAX_AP_DIFFERENCE:
        problems.append(f"average precision {live:.4f} live, {offline:.4f} offline")
    return problems


def freshness(folder: Path, model: Path, seed: int) -> Found:
    """500 events a second, an hour of event time each second: from the append that closes a tile to
    its clock in Redis.
    """
    counts: Counter[str] = Counter()
    rate, seconds, partitions = 500, 60, 4
    rng = np.random.default_rng(seed)
    terminals = [f"t{n}".encode() for n in rng.integers(0, 2000, rate * seconds)]
    lengths = np.array([len(each) for each in terminals], np.int32)
    own = np.empty(len(terminals), np.int32)
    partition_kernel(
        np.frombuffer(b"".join(terminals), np.uint8),
        (np.cumsum(lengths) - lengths).astype(np.int64),
        lengths,
        partitions,
        own,
    )
    start_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS - 200 * HOUR_MS
    step = HOUR_MS // rate
    env = with_features("standard-profiles")
    with Chain(folder / "chain", model, names=("profiler",), env=env) as chain:
        sender = BulkProducer(chain.stack.kafka, "fresh")
        view = redis.Redis.from_url(chain.stack.redis)
        names = [
            prefix_of(STANDARD_PROFILES) + f"#{TERMINAL.name}:{number}".encode()
            for number in range(partitions)
        ]
        row = json.loads((ROOT / "schemas/examples/transaction.v1/card-purchase.json").read_text())
        clocks = np.zeros(partitions, np.int64)
        closing: list[dict[int, float]] = [{} for _ in range(partitions)]
        latest = np.zeros(partitions, np.int64)
        waited: list[float] = []
        started = time.monotonic()
        sent = 0
        while sent < len(terminals) or time.monotonic() - started < seconds + 2:
            due = min(int((time.monotonic() - started) * rate), len(terminals))
            frames = []
            for n in range(sent, due):
                at = start_ms + n * step
                tile = at // HOUR_MS * HOUR_MS
                frames.append(
                    codec("transaction.v1").encode(
                        {
                            **row,
                            "transaction_id": f"f{n}",
                            "customer_id": f"c{n % 997}",
                            "terminal_id": terminals[n].decode(),
                            "occurred_at": at,
                        }
                    )
                )
                if tile > latest[own[n]]:  # the first event after that tile
                    latest[own[n]] = tile
                    closing[own[n]][tile] = time.time()
            if frames:
                sender.send(
                    "transactions.v1", [f"c{n % 997}".encode() for n in range(sent, due)], frames
                )
                sent = due
            held = view.mget(names)
            now = time.time()
            for number, raw in enumerate(held):
                clocks[number] = int(raw or -1)
                for tile in [tile for tile in closing[number] if tile <= clocks[number]]:
                    waited.append(now - closing[number].pop(tile))
            time.sleep(0.002)
        sender.flush()
    waited_ms = np.array(waited[8:]) * 1000
    counts.update(
        tiles_closed=len(waited_ms),
        p50_ms=round(float(np.quantile(waited_ms, 0.5))),
        p99_ms=round(float(np.quantile(waited_ms, 0.99))),
        slowest_ms=round(float(waited_ms.max())),
    )
    problems = [] if counts["p99_ms"] <= 300 else [f"p99 {counts['p99_ms']} ms, at most 300"]
    if any(closing):
        problems.append(f"{sum(map(len, closing))} tiles were never seen closed")
    return counts, problems
