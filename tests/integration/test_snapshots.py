"""Snapshots of the state in a real Redis: taken while others write, restored in one step and never
over what is newer.
"""

import stat
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.support.builders import rows
from tests.support.own_topics import OwnTopics, log_with, wait_until
from tests.support.vectors import feature

from riskstream.cli.snapshots import command
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.redis_snapshots import RedisSnapshots
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.adapters.snapshot_places import FolderPlace
from riskstream.platform.adapters.snapshot_shelf import Shelf
from riskstream.platform.kafka.accepted import score_of
from riskstream.platform.kafka.lanes.ports import Mark
from riskstream.platform.telemetry.metrics import SnapshotMetrics
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import Service

TOPICS = "transactions.v1=a/4;scores.v1=b/4"


class Bench:
    """A store of its own, a folder of snapshots, and what takes and restores them; `between` runs
    after each piece.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.space = f"test-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.store = RedisStateStore(url, self.space)
        self.plain: redis.Redis = redis.Redis.from_url(url)
        self.key = self.store.key(0)
        self.shelf = Shelf(FolderPlace(folder), self.space)
        self.between: Callable[[], None] = lambda: None
        self.metrics = SnapshotMetrics(CollectorRegistry())
        self.snapshots = RedisSnapshots(url, self.store, self.shelf, self.metrics, self._rest)

    def _rest(self, _took_s: float) -> None:
        self.between()

    def write(self, s: int, rows: dict[str, str], high: int = -1) -> None:
        changed = [(key.encode(), row.encode()) for key, row in rows.items()]
        assert (
            self.store.checkpoint(
                0, high, Mark(stored_src=s, output_offset=2 * s, identity=TOPICS), changed
            )
            == s
        )

    def take(self) -> None:
        fields = self.snapshots.fields(0)
        assert fields is not None
        self.snapshots.take(0, fields)

    def rows(self) -> dict[bytes, bytes]:
        return dict(self.plain.hgetall(self.key))  # type: ignore[arg-type]

    def lose(self) -> None:
        self.plain.delete(self.key)

    def files(self) -> list[Path]:
        return sorted(each for each in self.folder.rglob("*") if each.is_file())


@pytest.fixture
def bench(bare: Chain, tmp_path: Path) -> Bench:
    return Bench(bare.stack.redis, tmp_path)


def test_what_was_lost_comes_back_field_for_field(bench: Bench) -> None:
    bench.write(7, {f"c{n}": "x" * 300 + str(n) for n in range(3000)})
    bench.take()
    before = bench.rows()
    bench.lose()
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=7, output_offset=14, identity=TOPICS
    )
    assert bench.rows() == before
    assert bench.plain.ttl(bench.key) == -1, "it does not expire"
    assert not bench.plain.keys(f"{bench.key}restoring*")
    assert bench.snapshots.steps > 10, "the watchdog sees a large one move"
    [file] = bench.files()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_newest_is_taken_and_nothing_newer_is_overwritten(bench: Bench) -> None:
    for s in (3, 7, 5):
        bench.lose()
        bench.write(s, {"a": f"at {s}"})
        bench.take()
    bench.lose()
    bench.write(4, {"a": "old", "b": "old"})  # Redis came back from an older backup
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=7, output_offset=14, identity=TOPICS
    )
    assert bench.store.read({0: [b"a", b"b"]})[0] == (7, [b"at 7", None]), (
        "rows of two owners never mix"
    )
    bench.write(9, {"a": "at 9"}, high=7)
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=9, output_offset=18, identity=TOPICS
    )
    assert bench.store.read({0: [b"a"]})[0] == (9, [b"at 9"])


def test_an_owner_that_checkpoints_while_rows_are_put_back_wins(bench: Bench) -> None:
    bench.write(7, {"a": "at 7"})
    bench.take()
    bench.lose()
    [name] = bench.shelf.known(0)
    bench.write(8, {"a": "at 8"})
    assert bench.snapshots.restore_one(name) is None
    assert bench.store.read({0: [b"a"]})[0] == (8, [b"at 8"])


def test_a_watermark_that_was_lost_with_a_field_is_no_watermark(bench: Bench) -> None:
    bench.write(7, {"a": "at 7", "b": "at 7"})
    bench.take()
    bench.write(9, {"a": "at 9"}, high=7)
    bench.plain.hdel(bench.key, ":b")
    assert bench.snapshots.fields(0) is None, "no snapshot is taken of what is damaged"
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=7, output_offset=14, identity=TOPICS
    )
    assert bench.store.read({0: [b"a", b"b"]})[0] == (7, [b"at 7", b"at 7"])


def test_snapshots_of_other_topics_are_left(bench: Bench) -> None:
    bench.write(7, {"a": "at 7"})
    bench.take()
    bench.lose()
    assert bench.snapshots.restore(0, "transactions.v1=new/4;scores.v1=new/4") is None
    assert bench.rows() == {}


@pytest.mark.parametrize("how", ["cut", "changed", "other partition", "empty"])
def test_a_damaged_one_is_passed_over_and_the_one_before_it_taken(bench: Bench, how: str) -> None:
    for s in (3, 7):
        bench.write(s, {f"c{n}": f"at {s}" for n in range(50)})
        bench.take()
    newest = bench.files()[-1]
    whole = newest.read_bytes()
    if how == "cut":
        newest.write_bytes(whole[:-1])
    elif how == "changed":
        newest.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    elif how == "other partition":
        newest.write_bytes(whole.replace(b'"partition": 0', b'"partition": 1'))
    else:
        newest.write_bytes(b"")
    bench.lose()
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=3, output_offset=6, identity=TOPICS
    )
    assert bench.metrics.damaged._value.get() == 1
    assert not bench.plain.keys(f"{bench.key}restoring*"), "nothing of the damaged one stays"


def test_rows_written_meanwhile_are_in_it_and_the_watermark_is_the_first(bench: Bench) -> None:
    """What is ahead of the watermark is skipped on replay, as its row says up to where it is."""
    customers = [f"c{n}" for n in range(2000)]
    bench.write(7, dict.fromkeys(customers, "at 7" + "x" * 80))
    steps = iter(range(8, 1000))

    def checkpoint() -> None:
        s = next(steps)
        bench.write(
            s, {customers[s]: f"at {s}" + "x" * 80, f"new{s}": f"at {s}" + "x" * 80}, high=s - 1
        )

    bench.between = checkpoint
    bench.take()
    bench.between = lambda: None
    last = next(steps) - 1
    assert last > 10, "there were several pieces"
    bench.lose()
    assert bench.snapshots.restore(0, TOPICS) == Mark(
        stored_src=7, output_offset=14, identity=TOPICS
    )
    assert bench.plain.hget(bench.key, "#rows_to") == str(last).encode(), "up to where rows may be"
    found = bench.store.read({0: [each.encode() for each in customers]})[0][1]
    assert all(row is not None and row.startswith(b"at ") for row in found)
    assert {bytes(row)[:4] for row in found if row is not None} >= {b"at 7"}


def test_a_store_that_goes_back_while_it_is_read_gives_no_snapshot(bench: Bench) -> None:
    bench.write(7, {f"c{n}": "x" * 100 for n in range(2000)})

    def back_and_on_again() -> None:
        bench.between = lambda: None
        bench.lose()
        bench.write(5, {f"c{n}": "y" * 100 for n in range(2000)})

    bench.between = back_and_on_again
    with pytest.raises(Retryable, match="went back from 7 to 5"):
        bench.take()
    assert bench.files() == []


def test_a_server_that_is_started_again_while_it_is_read_gives_no_snapshot(bench: Bench) -> None:
    """A scan's place means nothing to the next server, whose rows lie in another order."""
    bench.write(7, {f"c{n}": "x" * 100 for n in range(2000)})

    def end_connections() -> None:
        bench.plain.client_kill_filter(_type="normal", skipme=True)

    bench.between = end_connections
    with pytest.raises(Retryable, match="does not answer"):
        bench.take()
    assert bench.files() == []


def test_a_server_that_is_full_keeps_what_it_has(bench: Bench) -> None:
    bench.write(7, {f"c{n}": "x" * 1000 for n in range(500)})
    bench.take()
    bench.lose()
    bench.write(5, {"a": "at 5"})
    most = bench.plain.config_get("maxmemory")["maxmemory"]
    bench.plain.config_set("maxmemory", 1)
    try:
        with pytest.raises(Retryable, match="OOM"):
            bench.snapshots.restore(0, TOPICS)
    finally:
        bench.plain.config_set("maxmemory", str(most))
    assert bench.store.read({0: [b"a"]})[0] == (5, [b"at 5"])


def _told(service: Service, name: str) -> float:
    """The sum of a metric's values at the service's telemetry port."""
    with urllib.request.urlopen(f"{service.telemetry}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(each.value for family in families for each in family.samples if each.name == name)


def _cli(*arguments: str) -> tuple[int, str]:
    """(exit code, what it says); an error's sentence stands at the end."""
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    code = (
        done.exception.exit_code
        if isinstance(done.exception, Fatal)
        else int(done.return_value or 0)
    )
    assert done.exception is None or isinstance(done.exception, Fatal | Retryable), done.exception
    return code or int(done.exception is not None), f"{done.output}{done.exception or ''}"


def test_a_scorer_takes_them_in_the_background_and_goes_on_without_a_place(
    bare: Chain, tmp_path: Path
) -> None:
    own, place, away = OwnTopics.made(bare), tmp_path / "place", tmp_path / "away"
    place.mkdir()
    every = {
        "RISKSTREAM_SCORER_SNAPSHOTS": str(place),
        "RISKSTREAM_SCORER_SNAPSHOT_MINUTES": "0.01",
    }
    scorer = own.start_ready_scorer(**every)
    own.send(0, rows(own.tag, 0, 200, customers=20))
    own.scores(200)
    wait_until(lambda: _told(scorer, "riskstream_scorer_snapshots_total") >= 1, "a snapshot")
    place.rename(away)
    own.send(0, rows(own.tag, 200, 200, customers=20))
    assert len(own.scores(400)) == 400, "it scores while the place is away"
    wait_until(
        lambda: _told(scorer, "riskstream_scorer_snapshot_errors_total") >= 2,
        "what went wrong, counted",
    )
    assert scorer.server.log.read_text().count("snapshots cannot be taken") == 1, "told once"
    age = "riskstream_scorer_snapshot_age_seconds"
    wait_until(lambda: _told(scorer, age) > 3, "an age that grows")
    away.rename(place)
    log_with(scorer, "snapshots are taken again")
    wait_until(lambda: _told(scorer, age) < 3, "an age that is small again")
    scorer.server.stop()

    given = (
        "--kafka",
        bare.stack.kafka,
        "--redis",
        bare.stack.redis,
        "--source",
        own.source,
        "--output",
        own.output,
    )
    of = ("--snapshots", str(place), "--group", own.group)
    assert _cli("take", *given, *of)[0] == 0
    key = f"{{{own.group}.{STANDARD.label}.0}}"
    client: redis.Redis = redis.Redis.from_url(bare.stack.redis)
    before = client.hgetall(key)
    assert "partition 0: left, the store is as far or further" in _cli("restore", *given, *of)[1]
    client.delete(key)
    assert _cli("restore", *given, *of, "--partition", "0")[0] == 0
    assert client.hgetall(key) == before
    code, told = _cli("list", *of, "--check")
    assert (code, "read whole" in told) == (0, True)
    client.delete(key)
    for file in place.rglob("*.state"):
        file.write_bytes(file.read_bytes()[:-1])
    for arguments, words in (
        (("list", *of, "--check"), "DAMAGED: its checksum"),
        (
            ("restore", *given, *of, "--partition", "0"),
            ("no usable snapshot, and no state, of partition 0"),
        ),
        (("list", "--snapshots", str(tmp_path / "nosuch")), "make it or mount it"),
        (("list", "--snapshots", "gs://bucket"), "gs is not a place for snapshots"),
        (("take", *given, *of, "--partition", "9"), "no partition 9"),
    ):
        code, told = _cli(*arguments)
        assert code != 0, told
        assert words in told


def test_a_scorer_that_lost_its_state_restores_it_by_itself(bare: Chain, tmp_path: Path) -> None:
    """Past retention, so that the topics alone could not; the backup that came back is behind the
    newest snapshot.
    """
    own = OwnTopics.made(bare)
    told = {"SNAPSHOTS": str(tmp_path), "SNAPSHOT_MINUTES": "0.01", "ON_STATE_LOST": "restore"}
    env = {f"RISKSTREAM_SCORER_{name}": value for name, value in told.items()}
    keys = [f"{{{own.group}.{STANDARD.label}.{partition}}}" for partition in (0, 1)]
    shelf = Shelf(FolderPlace(tmp_path), f"{own.group}.{STANDARD.label}")
    client: redis.Redis = redis.Redis.from_url(bare.stack.redis)
    scorer = own.start_ready_scorer(**env)
    own.send(1, rows("p1", 0, 10, customers=1))
    wait_until(lambda: client.hget(keys[1], "#s") == b"9", "a checkpoint")
    backup = client.dump(keys[1])
    for partition, first in ((0, 0), (1, 10)):
        own.send(partition, rows(f"p{partition}", first, 40 - first, customers=1))
    wait_until(
        lambda: [each.stored_src for p in (0, 1) for each in shelf.known(p)[:1]] == [39, 39],
        "snapshots",
    )
    for partition in (0, 1):
        own.expire(own.source, partition, 40)
        own.expire(own.output, partition, own.ends(own.output)[partition] - 1)
    client.delete(keys[0])
    client.restore(keys[1], 0, backup or b"", replace=True)
    for partition in (0, 1):
        own.send(partition, rows(f"p{partition}", 40, 5, customers=1))
    wait_until(
        lambda: [client.hget(key, "#s") for key in keys] == [b"44", b"44"],
        "checkpoints of what came after",
    )
    log_with(scorer, "state restored from a snapshot")
    scorer.server.stop()
    assert scorer.server.log.read_text().count("state restored from a snapshot") == 2
    after = [
        (each.partition, score)
        for each, score in ((each, score_of(each)) for each in own.outputs(12))
        if score.src >= 40
    ]
    assert sorted((partition, score.src) for partition, score in after) == [
        (p, n) for p in (0, 1) for n in range(40, 45)
    ]
    assert not any(score.flags for _, score in after), "nothing is missing"
    known = {
        (partition, score.src): feature(score, "customer_count_30d") for partition, score in after
    }
    assert known == {(p, n): n + 1 for p in (0, 1) for n in range(40, 45)}, (
        "payments of the customer within 30 days"
    )
