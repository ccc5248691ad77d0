"""Releases that are activated and withdrawn while scorers run, and what others write beside
them.
"""

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from loadtests.proof.ager import Ager
from tests.support.builders import rows
from tests.support.world import World

from riskstream.cli import release_channel
from riskstream.cli.release import command
from riskstream.cli.release_desk import read_standing
from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Score
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.release_records import head_key, head_of
from riskstream.platform.adapters.signing import PublicKey
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.clients.produce import put
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service, wait_ready
from riskstream.workbench.rows.dataset import read_dataset
from riskstream.workbench.simulator.simulate import Simulation, simulate
from riskstream.workbench.training.fit import FitSettings, train

DEADLINE_S = 25.0
RELEASES = "releases.v1"


def _run(*given: str, code: int = 0) -> Result:
    result = CliRunner().invoke(command, list(given))
    if result.exception and not (
        isinstance(result.exception, SystemExit) and result.exit_code == code
    ):
        raise result.exception
    return result


class Stream:
    """Sends good records of one tag and gives the score of the last."""

    def __init__(self, world: World) -> None:
        self._world, self.sent = world, 0

    def send(self, count: int) -> None:
        self._world.send(rows(self._world.tag, self.sent, count))
        self.sent += count

    def more(self, count: int = 20) -> list[Score]:
        self.send(count)
        return self._world.scores(self.sent)

    def until(self, is_so: Callable[[Score], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not is_so(self.more()[-1]):
            assert time.monotonic() < end, "the release was not taken up"


class Load:
    """Sends in the background, some 200 records a second, until it is left."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._stop = stream, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self._stream.send(4)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys `key` and `other`; releases one (better) and two (worse) of the first, and one again by
    the other.
    """
    folder = tmp_path_factory.mktemp("packed")
    pq.write_table(simulate(Simulation(seed=8, customers=400, days=20)), folder / "history.parquet")
    for name in ("key", "other"):
        _run("keygen", "--out", str(folder / name))
    data = read_dataset(folder / "history.parquet", STANDARD)
    for name, trees, leaves in (("one", 20, 31), ("two", 2, 4)):
        train(data, STANDARD, FitSettings(trees=trees, leaves=leaves), folder / name)
        _run(
            "pack",
            str(folder / name),
            "--key",
            str(folder / "key"),
            "--out",
            str(folder / f"{name}.release"),
        )
    _run(
        "pack",
        str(folder / "one"),
        "--key",
        str(folder / "other"),
        "--out",
        str(folder / "one-other.release"),
    )
    return folder


@pytest.fixture(scope="module")
def ids(packed: Path) -> dict[str, str]:
    return {name: _id(packed / f"{name}.release") for name in ("one", "two")}


def _id(file: Path) -> str:
    return _run("show", str(file)).output.split('"release": "')[1].split('"')[0]


def _wait_for_log(service: Service, words: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while words not in service.server.log.read_text():
        assert time.monotonic() < end, f"{words!r} is not in the log"
        time.sleep(0.05)


def _restarted(chain: Chain, service: Service, env: dict[str, str]) -> Service:
    os.kill(service.server.pid, signal.SIGKILL)
    service.server.stop()
    again = chain.start("scorer", env)
    wait_ready([again])
    return again


def test_releases_are_swapped_refused_and_withdrawn_and_no_copy_brings_one_back(
    bare: Chain, packed: Path, ids: dict[str, str]
) -> None:
    world = World(bare)
    key = ("--key", str(packed / "key"), "--kafka", world.kafka)
    quick = (*key, "--wait-s", "0", "--by", "ann")
    env = {"RISKSTREAM_SCORER_RELEASE_KEY": str(packed / "key.pub")}
    signer = PublicKey.read(packed / "key.pub").fingerprint
    service = bare.start("scorer", env)
    wait_ready([service])
    stream = Stream(world)
    try:
        assert stream.more()[-1].release_id is None
        _run("activate", str(packed / "one.release"), *quick)
        stream.until(lambda score: score.release_id == ids["one"])
        old = _head(world.kafka, signer)

        said = _run("activate", str(packed / "two.release"), *quick)
        assert "average precision is worse" in said.output
        stream.until(lambda score: score.release_id == ids["two"])
        by_two = _head(world.kafka, signer)

        # a key that scorers do not follow changes nothing: neither content nor what is active
        other = ("--key", str(packed / "other"), "--kafka", world.kafka, "--wait-s", "0")
        with pytest.raises(Fatal, match="its signature is not of key"):
            _run("activate", str(packed / "one.release"), *other)
        _run("activate", str(packed / "one-other.release"), *other)
        _wait_for_log(service, "a release is refused")
        with pytest.raises(Fatal, match=f"was signed by key {signer}, not by"):
            _run("withdraw", ids["two"], *other)
        assert stream.more()[-1].release_id == ids["two"]

        # copies of old records, deletions and unsigned records
        put(world.kafka, RELEASES, head_key(STANDARD.label, signer), old)
        _wait_for_log(service, "a copy of an old record")
        assert stream.more()[-1].release_id == ids["two"]

        # the kill switch, under load: what the command says, and what stands in the scores
        before = stream.sent
        with Load(stream):
            time.sleep(0.5)
            said = _run("withdraw", ids["two"], *key, "--by", "bob", "--why", "too many alerts")
        assert "the last score by it came after" in said.output or "no score by it" in said.output
        assert f"scorers go back to release {ids['one']}" in said.output
        assert stream.sent - before > 100
        assert _last_by(bare, ids["two"]) - _withdrawn_at(bare, signer) < 1000
        assert stream.more()[-1].release_id == ids["one"]

        listed = _run("list", "--kafka", world.kafka, "--key", str(packed / "key.pub")).output
        assert f"withdrawn  {ids['two']}" in listed
        assert "by bob: too many alerts" in listed
        assert "a copy of an old record" in listed
        assert "live on partitions 0, 1, 2, 3" in listed

        # all of it deleted, an old head alone in its place: a scorer that starts afterwards does
        # not take two up again
        contents = [
            (each.key or b"", each.value or b"") for each in read_standing(world.kafka).records
        ]
        Ager(world.kafka).empty(RELEASES)
        for at, value in contents:
            if at.startswith(ids["two"].encode()):
                put(world.kafka, RELEASES, at, value)
        put(world.kafka, RELEASES, head_key(STANDARD.label, signer), by_two)
        put(world.kafka, RELEASES, ids["two"].encode(), _unsigned(ids["two"]))
        service = _restarted(bare, service, env)
        assert stream.more()[-1].release_id == ids["one"]

        # the last one withdrawn: back to what the scorer was started with
        _run("withdraw", ids["one"], *quick)
        stream.until(lambda score: score.release_id is None)
        scores = stream.more()
    finally:
        service.server.stop()
    models = {(score.release_id, score.model_version) for score in scores}
    assert len(models) == 3, "each release with its own model and no other"
    assert len(scores) == stream.sent, "none lost"


def test_of_two_who_change_the_channel_at_once_one_wins_and_the_other_is_told(
    bare: Chain, packed: Path, ids: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command stops between its reading and its writing, and the other operator's runs there
    from beginning to end.
    """
    kafka, key = bare.stack.kafka, tmp_path / "key"
    _run("keygen", "--out", str(key))
    files = {name: tmp_path / f"{name}.release" for name in ("one", "two")}
    for name, file in files.items():
        _run("pack", str(packed / name), "--key", str(key), "--out", str(file))
    signer = PublicKey.read(tmp_path / "key.pub").fingerprint
    end = ("--key", str(key), "--kafka", kafka, "--wait-s", "0", "--by")
    between: list[tuple[str, ...]] = []

    def stop_in(name: str) -> None:
        real = getattr(release_channel, name)

        def stopped(*given: Any) -> Any:
            while between:
                _run(*between.pop())
            return real(*given)

        monkeypatch.setattr(release_channel, name, stopped)

    stop_in("_warnings")
    stop_in("legacy_withdrawn")
    _run("activate", str(files["one"]), *end, "ann")
    # ann activates two, while bob withdraws it: it stays withdrawn
    between.append(("withdraw", str(files["two"]), *end, "bob"))
    with pytest.raises(
        Fatal,
        match=rf"meanwhile bob withdrew {ids['two']} \(number .*, and nothing was "
        r"activated",
    ):
        _run("activate", str(files["two"]), *end, "ann")
    assert _said(kafka, signer) == ([ids["one"]], [ids["two"]])
    # ann activates two again, knowingly, while bob activates one again
    between.append(("activate", str(files["one"]), *end, "bob"))
    with pytest.raises(Fatal, match=rf"meanwhile bob activated {ids['one']}"):
        _run("activate", str(files["two"]), *end, "ann")
    assert _said(kafka, signer) == ([ids["one"]], [ids["two"]])
    # bob withdraws one, while ann activates two: a withdrawal never gives way
    between.append(("activate", str(files["two"]), *end, "ann"))
    said = _run("withdraw", ids["one"], *end, "bob")
    assert f"warning: meanwhile ann activated {ids['two']}" in said.output
    assert _said(kafka, signer) == ([ids["two"]], [ids["one"]])
    numbers = _numbers(kafka, signer)
    assert len(numbers) == 5, "one head for each command that said that it was done"
    assert numbers == sorted(set(numbers)), "no number twice"

    # and from two threads, whichever comes first
    both, refused = Barrier(2), list[str]()

    def run(name: str) -> bool:
        both.wait(10)
        try:
            release_channel.activate.callback(
                files[name], key=key, kafka=kafka, by=name, wait_s=0.0, scores="scores.v1"
            )  # type: ignore[misc]
        except Fatal as error:
            refused.append(error.what)
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, ("one", "two")))
    assert any(done)
    assert all("and nothing was activated" in each for each in refused)
    later = _numbers(kafka, signer)[len(numbers) :]
    assert len(later) == sum(done)
    assert later == sorted(set(later))


def test_what_a_version_before_activated_is_adopted_in_its_order(
    bare: Chain, packed: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    kafka, key = bare.stack.kafka, tmp_path / "key"
    _run("keygen", "--out", str(key))
    signer = PublicKey.read(tmp_path / "key.pub").fingerprint
    for at, name in enumerate(("one", "two")):
        file = tmp_path / f"{name}.release"
        _run("pack", str(packed / name), "--key", str(key), "--out", str(file))
        content = base64.b64encode(file.read_bytes()).decode()
        put(
            kafka,
            RELEASES,
            ids[name].encode(),
            _unsigned(ids[name], content_base64=content, changed_at=100 + at),
        )
    end = ("--key", str(key), "--kafka", kafka)
    said = _run("adopt", *end, "--by", "ann").output
    assert f"{STANDARD.label}: 2 signed, newest {ids['two']}" in said
    assert _said(kafka, signer) == ([ids["two"], ids["one"]], [])
    assert "nothing to sign" in _run("adopt", *end).output
    assert (
        f"release {ids['two']} is withdrawn"
        in _run("withdraw", ids["two"], *end, "--wait-s", "0").output
    )
    assert _said(kafka, signer) == ([ids["one"]], [ids["two"]])
    legacy = read_standing(kafka).unsigned()
    assert (legacy[ids["two"]]["status"], legacy[ids["one"]]["status"]) == ("WITHDRAWN", "ACTIVE")


def _said(kafka: str, signer: str) -> tuple[list[str], list[str]]:
    """The releases that are active and those that were withdrawn, by the newest head."""
    head = head_of(json.loads(codec("release.v1").decode(_head(kafka, signer))["statement"]))
    return [each.release_id for each in head.active], [each.release_id for each in head.withdrawn]


def _numbers(kafka: str, signer: str) -> list[int]:
    """The numbers of all heads that stand on the topic, in its order."""
    frames = [
        each.value
        for each in read_standing(kafka).records
        if each.key == head_key(STANDARD.label, signer)
    ]
    return [
        json.loads(codec("release.v1").decode(frame)["statement"])["number"] for frame in frames
    ]


def _head(kafka: str, signer: str) -> bytes:
    with TopicReader(kafka, [RELEASES]) as reader:
        found = [
            record.value
            for record in reader.until_end()
            if record.key == head_key(STANDARD.label, signer)
        ]
    assert found[-1] is not None
    return found[-1]


def _withdrawn_at(chain: Chain, signer: str) -> int:
    """When the broker appended the newest head."""
    with TopicReader(chain.stack.kafka, [RELEASES]) as reader:
        return max(
            each.appended_at
            for each in reader.until_end()
            if each.key == head_key(STANDARD.label, signer)
        )


def _last_by(chain: Chain, release_id: str) -> int:
    """When the broker appended the last score by a release."""
    with TopicReader(chain.stack.kafka, ["scores.v1"], committed_only=False) as reader:
        return max(
            each.appended_at
            for each in reader.until_end()
            if score_of(each).release_id == release_id
        )


def _unsigned(release_id: str, **changes: Any) -> bytes:
    return codec("release.v1").encode(
        {
            "release_id": release_id,
            "feature_set": STANDARD.label,
            "status": "ACTIVE",
            "content_base64": "UEs=",
            "changed_at": 2**42,
            "changed_by": "",
            **changes,
        }
    )
