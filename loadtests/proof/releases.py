"""The release channel: how fast scorers take up and leave a release under load, and what strangers'
records do to them.

Twenty times a release is activated and withdrawn while two scorers score. Counted is the time from
the command's call and return to the first or last score by it, as the broker appended it. Then the
channel is attacked: `hostile.py`.
"""

import json
import shutil
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from loadtests.chaos.load import Load, make_rows
from loadtests.proof.hostile import Case, Hostile
from riskstream.cli.release import command
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, wait_ready

Found = tuple[Counter[str], list[str]]
ROUNDS, RATE, LOAD_S, MAX_LAST_MS = 20, 100, 900, 1000
SCORERS = ("scorer-1", "scorer-2")


def releases(folder: Path, model: Path, seed: int) -> Found:
    """The last score by a withdrawn release comes within a second of the command's call, and a
    hostile record changes nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key, spare = folder / "key", folder / "spare"
    spare.mkdir()
    _run("keygen", "--out", str(key))
    ids = {
        name: _packed(model, key, folder / f"{name}.release", name) for name in ("base", "other")
    }
    env = {"RISKSTREAM_SCORER_RELEASE_KEY": f"{key}.pub", "TMPDIR": str(spare)}
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with Chain(folder / "chain", model, names=()) as chain:
        kafka = chain.stack.kafka
        end = ("--key", str(key), "--kafka", kafka, "--wait-s", "0")
        _run("activate", str(folder / "base.release"), *end)
        scorers = [chain.start(name, env) for name in SCORERS]
        wait_ready(scorers)
        with Watch(kafka) as watch, _loaded(kafka, seed):
            watch.wait_for(ids["base"], 4)
            _measure(watch, folder / "other.release", ids, end, counts, problems)
            before = _files_in(spare)
            hostile = Hostile(
                kafka, key, folder, (folder / "base.release").read_bytes(), folder / "base.model"
            )
            for case in hostile.cases():
                _attack(case, hostile, scorers, watch, ids["base"], counts, problems)
        if left := _files_in(spare) - before:
            problems.append(f"left on disk: {sorted(left)[:3]}")
        problems += [f"{path} was written" for path in hostile.traps() if path.exists()]
    return counts, problems


def _files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


class Watch:
    """Follows scores.v1: by release and partition, when the broker appended the first and the last
    score by it, ms.
    """

    def __init__(self, kafka: str) -> None:
        self._reader = TopicReader(kafka, ["scores.v1"], start="end", committed_only=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)
        self._lock = threading.Lock()
        self._seen: dict[str, list[tuple[int, int]]] = {}

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._reader.close()

    def since(self, release_id: str, at_ms: int) -> list[tuple[int, int]]:
        """(appended at, partition) of each score by a release from then on."""
        with self._lock:
            return [each for each in self._seen.get(release_id, []) if each[0] >= at_ms]

    def wait_for(
        self, release_id: str, partitions: int, at_ms: int = 0, deadline_s: float = 60.0
    ) -> None:
        """Return when it has scored on so many partitions since then; AssertionError after the
        deadline.
        """
        end = time.monotonic() + deadline_s
        while len({number for _, number in self.since(release_id, at_ms)}) < partitions:
            assert time.monotonic() < end, (
                f"release {release_id} does not score on {partitions} partitions"
            )
            time.sleep(0.01)

    def _read(self) -> None:
        while not self._stop.is_set():
            for record in self._reader.poll(0.05):
                release_id = score_of(record).release_id or ""
                with self._lock:
                    self._seen.setdefault(release_id, []).append(
                        (record.appended_at, record.partition)
                    )


class _loaded:  # noqa: N801  a context
    """Payments at RATE a second until it is left."""

    def __init__(self, kafka: str, seed: int) -> None:
        self._load = Load(kafka, make_rows(RATE * LOAD_S, seed), RATE)

    def __enter__(self) -> None:
        self._load.start()

    def __exit__(self, *_: object) -> None:
        self._load.finish()


def _measure(
    watch: Watch,
    file: Path,
    ids: dict[str, str],
    end: tuple[str, ...],
    counts: Counter[str],
    problems: list[str],
) -> None:
    """Activate and withdraw, twenty times."""
    first, whole, last_call, last_return, took = [], [], [], [], []
    for _ in range(ROUNDS):
        called = time.time() * 1000
        _run("activate", str(file), *end)
        watch.wait_for(ids["other"], 4, round(called))
        times: dict[int, int] = {}
        for at, number in watch.since(ids["other"], round(called)):
            times.setdefault(number, at)
        first.append(min(times.values()) - called)
        whole.append(max(times.values()) - called)
        called = time.time() * 1000
        _run("withdraw", ids["other"], *end)
        returned = time.time() * 1000
        took.append(returned - called)
        watch.wait_for(ids["base"], 4, round(returned))
        time.sleep(0.5)  # a late one would show
        last = max(at for at, _ in watch.since(ids["other"], 0))
        last_call.append(last - called)
        last_return.append(last - returned)
    for name, values in {
        "activate_first_score": first,
        "activate_all_partitions": whole,
        "withdraw_command": took,
        "withdraw_last_score_after_call": last_call,
        "withdraw_last_score_after_return": last_return,
    }.items():
        ordered = sorted(values)
        counts[f"{name}_p50_ms"], counts[f"{name}_max_ms"] = (
            round(ordered[len(ordered) // 2]),
            round(ordered[-1]),
        )
    counts["rounds"] = ROUNDS
    if counts["withdraw_last_score_after_return_max_ms"] > MAX_LAST_MS:
        problems.append(
            "a score by a withdrawn release came "
            f"{counts['withdraw_last_score_after_return_max_ms']} ms after it"
        )


def _attack(
    case: Case,
    hostile: Hostile,
    scorers: list[Service],
    watch: Watch,
    release_id: str,
    counts: Counter[str],
    problems: list[str],
) -> None:
    """Write a case's records twice: each scorer refuses each that is wrong once, stays ready, and
    decides as before.
    """
    name, records, wanted = case
    before = [_refused(each) for each in scorers]
    for _ in range(2):
        hostile.write(records)
    end = time.monotonic() + 40
    while (now := [_refused(each) - at for each, at in zip(scorers, before, strict=True)]) != [
        wanted
    ] * 2:
        if time.monotonic() > end:
            problems.append(f"{name}: refused {now} times, {wanted} times it should be")
            break
        time.sleep(0.1)
    if not all(each.server.is_running and each.is_ready() for each in scorers):
        problems.append(f"{name}: a scorer is not ready or has ended")
        return
    at_ms = round(time.time() * 1000)
    try:
        watch.wait_for(release_id, 4, at_ms, 20)
    except AssertionError as error:
        problems.append(f"{name}: {error}")
    counts["hostile_cases"] += 1
    counts["hostile_refused"] += wanted


def _refused(service: Service) -> int:
    with urllib.request.urlopen(f"{service.telemetry}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return int(
        next(
            float(each.split()[-1])
            for each in lines
            if each.startswith("riskstream_scorer_releases_refused_total")
        )
    )


def _packed(model: Path, key: Path, out: Path, name: str) -> str:
    """A release of the model with a name of its own in its card: the same decisions, another id."""
    folder = out.with_suffix(".model")
    shutil.copytree(model, folder)
    card = json.loads((folder / "model.json").read_text())
    card["trained_on"] = {**card["trained_on"], "named": name}
    (folder / "model.json").write_text(json.dumps(card))
    said = _run("pack", str(folder), "--key", str(key), "--out", str(out))
    return said.split()[1]


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments))
    if done.exception is not None:
        raise done.exception
    return str(done.output)
