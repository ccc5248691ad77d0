"""What each lane does, whatever Kafka it runs on: subclasses give the world. The real broker holds
the one in memory to it.
"""

import itertools
import marshal
import threading

import pytest
from loadtests.simulation.forward import Through
from loadtests.simulation.store import MemoryStore
from loadtests.simulation.work import COLD, DUPLICATE, GOOD, PARTIAL, REJECTED, Score, SimpleWork
from prometheus_client import CollectorRegistry

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.platform.kafka.lanes.derived import DerivedLane, DerivedSettings
from riskstream.platform.kafka.lanes.exact.lane import Lane, Stores
from riskstream.platform.kafka.lanes.exact.settings import LaneSettings
from riskstream.platform.kafka.lanes.forward import ForwardLane, ForwardSettings
from riskstream.platform.kafka.positions import AcceptedReader
from riskstream.platform.telemetry.metrics import LaneMetrics, ProfilerMetrics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.faults import Injected
from tests.support.lane_worlds import LaneWorld, Rows, Started
from tests.support.lanes import Counting

REOPENINGS, READS_BETWEEN = 12, 40
"""Of the suite's test of partitions that open again: how many, and how many calls of the store for
each.
"""


def rows(first: int, count: int, keys: int = 2) -> Rows:
    """Good records of some keys in turn."""
    return [(b"c%d" % (n % keys), b"t%d" % n) for n in range(first, first + count)]


class ExactSuite:
    """The exact lane. `world` is a fixture of the subclass."""

    def _start(
        self,
        world: LaneWorld,
        store: MemoryStore,
        metrics: LaneMetrics | None = None,
        max_batch: int = 2048,
    ) -> Started:
        seen = metrics or LaneMetrics(CollectorRegistry())
        settings = LaneSettings(
            kafka=world.kafka,
            group=world.group,
            source=world.source,
            output=world.output,
            dead_letters=world.dead_letters,
            max_batch=max_batch,
            checkpoint_every_ms=100,
            group_protocol="classic",
            session_timeout_ms=world.session_ms,
            dead_letter_bytes=100_000,
            client=world.client,
        )
        return world.start(
            lambda stop: Lane(settings, SimpleWork(), Stores(state=store), seen, stop)
        )

    def _raw(self, world: LaneWorld, partition: int = 1) -> list[Score]:
        return [
            Score(*marshal.loads(each.value or b""))
            for each in world.records(world.output, committed_only=False)
            if each.partition == partition
        ]

    def _wait_answers(self, world: LaneWorld, count: int) -> None:
        """Until both partitions together hold so many answers, repeats among them."""
        admin = TopicAdmin(world.kafka)
        world.until(lambda: sum(admin.end_offsets(world.output, 2)) >= count, f"{count} answers")

    def _accepted(self, world: LaneWorld, partition: int = 1) -> list[Score]:
        rule = AcceptedReader()
        out = [
            each
            for each in self._raw(world, partition)
            if rule.accept(partition, each.src, each.prev)
        ]
        assert rule.gaps == 0
        return out

    def _wait_scored(self, world: LaneWorld, count: int, partition: int = 1) -> None:
        world.until(lambda: len(self._accepted(world, partition)) >= count, f"{count} scores")

    def test_each_record_is_scored_once_in_order_and_names_the_one_before(
        self, world: LaneWorld
    ) -> None:
        lane = self._start(world, MemoryStore())
        world.send(1, rows(0, 20))
        self._wait_scored(world, 20)
        lane.end()
        found = self._raw(world)
        assert [(each.src, each.prev) for each in found] == [(n, n - 1) for n in range(20)]
        assert [each.records for each in found] == [n // 2 + 1 for n in range(20)]

    def test_a_repeat_is_told_and_changes_nothing(self, world: LaneWorld) -> None:
        lane = self._start(world, MemoryStore())
        world.send(1, [(b"c", b"t0"), (b"c", b"t0"), (b"c", b"t1")])
        self._wait_scored(world, 3)
        lane.end()
        assert [(each.verdict, each.records) for each in self._raw(world)] == [
            (GOOD, 1),
            (DUPLICATE, 1),
            (GOOD, 2),
        ]

    def test_a_rejected_record_is_a_dead_letter_with_its_bytes_and_its_place(
        self, world: LaneWorld
    ) -> None:
        lane = self._start(world, MemoryStore())
        world.send(1, [(b"c", b"t0"), (b"c", b"bad1")])
        self._wait_scored(world, 2)
        world.until(lambda: len(world.records(world.dead_letters)) == 1, "a dead letter")
        lane.end()
        assert [each.verdict for each in self._raw(world)] == [GOOD, REJECTED]
        [letter] = world.records(world.dead_letters)
        assert (letter.partition, letter.key, letter.value) == (1, b"c", b"bad1")
        assert dict(letter.headers)["riskstream-offset"] == b"1"

    def test_what_was_aborted_is_not_scored_and_leaves_no_hole_in_the_series(
        self, world: LaneWorld
    ) -> None:
        lane = self._start(world, MemoryStore())
        world.send_in_transaction(1, rows(0, 3), is_commit=True)
        world.send_in_transaction(1, rows(3, 3), is_commit=False)
        world.send(1, rows(6, 2))
        self._wait_scored(world, 5)
        lane.end()
        assert [(each.src, each.prev) for each in self._raw(world)] == [
            (0, -1),
            (1, 0),
            (2, 1),
            (8, 2),
            (9, 8),
        ]

    def test_a_lane_that_ends_leaves_everything_to_the_next_one(self, world: LaneWorld) -> None:
        store = MemoryStore()
        lane = self._start(world, store)
        world.send(1, rows(0, 10))
        self._wait_scored(world, 10)
        lane.end()
        held = store.partitions[1].mark
        assert held is not None
        assert held.stored_src == 9
        lane = self._start(world, store)
        world.send(1, rows(10, 10))
        self._wait_scored(world, 20)
        lane.end()
        assert [each.src for each in self._raw(world)] == list(range(20)), (
            "nothing was answered twice"
        )
        assert [each.records for each in self._raw(world)] == [n // 2 + 1 for n in range(20)]

    @pytest.mark.parametrize("point", ["processed", "half_produced", "produced", "copied"])
    def test_a_lane_that_fails_at_a_step_is_as_if_it_did_not(
        self, world: LaneWorld, point: str
    ) -> None:
        store = MemoryStore()
        with world.raising_at(point):
            lane = self._start(world, store)
            world.send(1, rows(0, 15))
            world.until(lambda: bool(lane.failed), "a failure")
        lane.end()
        assert isinstance(lane.failed[0], Injected)
        lane = self._start(world, store)
        self._wait_scored(world, 15)
        lane.end()
        assert not lane.failed
        assert [(each.src, each.records) for each in self._accepted(world)] == [
            (n, n // 2 + 1) for n in range(15)
        ]

    def test_two_lanes_share_the_partitions_and_one_that_leaves_loses_nothing(
        self, world: LaneWorld
    ) -> None:
        store = MemoryStore()
        first, second = self._start(world, store), self._start(world, store)
        for n in range(5):
            world.send(0, rows(2 * n, 2))
            world.send(1, rows(2 * n, 2))
        for partition in range(2):
            self._wait_scored(world, 10, partition)
        first.end()
        for partition in range(2):
            world.send(partition, rows(10, 4))
            self._wait_scored(world, 14, partition)
        second.end()
        for partition in range(2):
            found = self._accepted(world, partition)
            assert [(each.src, each.records, each.flags) for each in found] == [
                (n, n // 2 + 1, 0) for n in range(14)
            ]

    def test_an_answer_that_the_broker_refuses_ends_the_lane_and_the_next_one_goes_on(
        self, world: LaneWorld
    ) -> None:
        store = MemoryStore()
        lane = self._start(world, store)
        world.send(1, rows(0, 5))
        self._wait_scored(world, 5)
        world.limit(world.output, 1)
        world.send(1, rows(5, 5))
        world.until(lambda: bool(lane.failed), "an end")
        lane.end()
        assert isinstance(lane.failed[0], Fatal)
        world.limit(world.output, 1_000_000)
        lane = self._start(world, store)
        self._wait_scored(world, 10)
        lane.end()
        assert [(each.src, each.records) for each in self._accepted(world)] == [
            (n, n // 2 + 1) for n in range(10)
        ]

    def test_state_that_expired_before_it_was_stored_is_told_in_every_score(
        self, world: LaneWorld
    ) -> None:
        lane = self._start(world, MemoryStore())
        world.send(1, rows(0, 10))
        self._wait_scored(world, 10)
        lane.end()
        world.expire(1, 6)
        lane = self._start(world, MemoryStore())  # its store is empty
        world.send(1, rows(10, 2))
        self._wait_scored(world, 12)
        lane.end()
        found = self._accepted(world)
        assert [each.src for each in found] == list(range(12))
        assert [each.flags for each in found[-2:]] == [PARTIAL, PARTIAL]

    def test_a_head_that_passes_a_lane_moves_it_on(self, world: LaneWorld) -> None:
        store = MemoryStore()
        lane = self._start(world, store)
        world.send(1, rows(0, 10))
        self._wait_scored(world, 10)
        world.expire(1, 10)
        world.send(1, rows(10, 4))
        self._wait_scored(world, 14)
        lane.end()
        assert [(each.src, each.records, each.flags) for each in self._accepted(world)] == [
            (n, n // 2 + 1, 0) for n in range(14)
        ]

    def test_a_store_that_is_away_makes_scores_cold_and_is_caught_up_with_when_it_is_back(
        self, world: LaneWorld
    ) -> None:
        store = MemoryStore()
        lane = self._start(world, store)
        world.send(1, rows(0, 4, keys=1))
        self._wait_scored(world, 4)
        is_away = [True]
        store.is_away = lambda: is_away[0]
        world.send(1, [(b"new", b"n0")])
        self._wait_scored(world, 5)
        is_away[0] = False
        world.send(1, [(b"new", b"n1")])
        self._wait_scored(world, 6)
        world.until(
            lambda: (held := store.mark(1)) is not None and held.stored_src == 5, "a checkpoint"
        )
        world.send(1, [(b"new", b"n2")])
        self._wait_scored(world, 7)
        lane.end()
        found = self._accepted(world)
        assert found[4].flags == COLD
        assert (found[6].records, found[6].flags) == (3, 0)

    def test_partitions_that_open_again_and_again_under_load_skip_and_repeat_nothing(
        self, world: LaneWorld
    ) -> None:
        """Each opening pauses, seeks and resumes while answers of the broker are on their way."""
        store, reads = MemoryStore(), itertools.count(1)
        # touched by one read, abandoned by the next: a partition opens again (W3)
        store.is_away = lambda: next(reads) % READS_BETWEEN == 0
        metrics = LaneMetrics(CollectorRegistry())
        lane = self._start(world, store, metrics=metrics, max_batch=20)
        sent = 0
        while metrics.reopened._value.get() < REOPENINGS:
            for partition in range(2):
                # a key of its own for each record, so that every batch reads
                world.send(partition, rows(sent, 500, keys=1_000_000))
            sent += 500
            self._wait_answers(world, sent)
        store.is_away = lambda: False
        for partition in range(2):
            self._wait_scored(world, sent, partition)
        lane.end()
        assert not lane.failed
        for partition in range(2):
            assert [each.src for each in self._accepted(world, partition)] == list(range(sent))


class DerivedSuite:
    """The derived lane: its state topic is the world's `dead_letters`."""

    def _start(self, world: LaneWorld, instance: str = "0") -> tuple[Started, ProfilerMetrics]:
        metrics = ProfilerMetrics(CollectorRegistry())
        settings = DerivedSettings(
            kafka=world.kafka,
            group=world.group,
            source=world.source,
            instance=instance,
            commit_ms=50,
            flush_ms=100,
            group_protocol="classic",
            session_timeout_ms=world.session_ms,
            client=world.client,
        )

        def lane(stop: threading.Event) -> DerivedLane:
            return DerivedLane(settings, Counting(world.dead_letters, world.output), metrics, stop)

        return world.start(lane), metrics

    def _written(self, world: LaneWorld) -> list[int]:
        return [int(each.value or b"") for each in world.records(world.output)]

    def test_each_record_is_counted_once_in_a_transaction_with_its_offset(
        self, world: LaneWorld
    ) -> None:
        lane, _ = self._start(world)
        world.send(1, rows(0, 20))
        world.wait_committed(1, 20)
        lane.end()
        assert not lane.failed
        assert self._written(world) == list(range(1, 21))

    def test_the_next_lane_goes_on_from_the_state_that_was_written(self, world: LaneWorld) -> None:
        for n in range(3):
            lane, _ = self._start(world, instance=str(n))
            world.send(1, rows(5 * n, 5))
            world.wait_committed(1, 5 * n + 5)
            lane.end()
        assert self._written(world) == list(range(1, 16))

    @pytest.mark.parametrize("point", ["taken", "begun", "sent", "transacted"])
    def test_a_lane_that_fails_at_a_step_is_as_if_it_did_not(
        self, world: LaneWorld, point: str
    ) -> None:
        with world.raising_at(point):
            lane, _ = self._start(world)
            world.send(1, rows(0, 10))
            world.until(lambda: bool(lane.failed), "a failure")
        lane.end()
        lane, _ = self._start(world)
        world.wait_committed(1, 10)
        lane.end()
        assert self._written(world) == list(range(1, 11))

    def test_a_refused_transaction_is_aborted_and_memory_goes_back_to_the_last_commit(
        self, world: LaneWorld
    ) -> None:
        lane, metrics = self._start(world)
        world.send(1, rows(0, 5))
        world.wait_committed(1, 5)
        world.limit(world.output, 100)
        world.send(1, rows(5, 5))
        world.until(lambda: metrics.aborts._value.get() >= 2, "two aborts")
        assert not lane.failed
        world.limit(world.output, 1_000_000)
        world.wait_committed(1, 10)
        lane.end()
        assert self._written(world) == list(range(1, 11)), (
            "each once, from a count that was not doubled"
        )

    def test_a_fenced_lane_ends_with_what_to_do(self, world: LaneWorld) -> None:
        lane, _ = self._start(world)
        world.send(1, rows(0, 5))
        world.wait_committed(1, 5)
        world.transactional(f"{world.group}-0")
        world.send(1, rows(5, 5))
        world.until(lambda: bool(lane.failed), "an end")
        lane.end()
        assert isinstance(lane.failed[0], Fatal)
        assert "another process runs as instance 0" in str(lane.failed[0])

    def test_it_begins_at_what_retention_has_left(self, world: LaneWorld) -> None:
        world.send(1, rows(0, 8))
        world.expire(1, 5)
        lane, metrics = self._start(world)
        world.wait_committed(1, 8)
        lane.end()
        assert self._written(world) == [1, 2, 3]
        assert metrics.expired._value.get() == 5


class ForwardSuite:
    """The forward lane."""

    def _start(self, world: LaneWorld) -> Started:
        settings = ForwardSettings(
            kafka=world.kafka,
            group=world.group,
            sources=(world.source,),
            output=world.output,
            dead_letters={world.source: world.dead_letters},
            dead_letter_bytes=100_000,
            commit_ms=50,
            group_protocol="classic",
            session_timeout_ms=world.session_ms,
            client=world.client,
        )
        return world.start(
            lambda stop: ForwardLane(
                settings, Through(), ProfilerMetrics(CollectorRegistry()), stop
            )
        )

    def _found(self, world: LaneWorld) -> list[bytes]:
        return [each.value or b"" for each in world.records(world.output)]

    def test_each_record_goes_on_under_its_key(self, world: LaneWorld) -> None:
        lane = self._start(world)
        world.send(1, rows(0, 20))
        world.wait_committed(1, 20)
        lane.end()
        assert sorted(self._found(world)) == sorted(b"1:%d" % n for n in range(20))
        by_key: dict[bytes | None, set[int]] = {}
        for each in world.records(world.output):
            by_key.setdefault(each.key, set()).add(each.partition)
        assert all(len(each) == 1 for each in by_key.values()), "a key is in one partition"

    def test_what_cannot_be_read_is_a_dead_letter(self, world: LaneWorld) -> None:
        lane = self._start(world)
        world.send(1, [(b"c", b"t0"), (b"c", b"bad1"), (b"c", b"t2")])
        world.wait_committed(1, 3)
        lane.end()
        assert self._found(world) == [b"1:0", b"1:2"]
        [letter] = world.records(world.dead_letters)
        assert (letter.partition, letter.value) == (1, b"bad1")

    @pytest.mark.parametrize("point", ["forwarding", "forwarded", "acknowledged"])
    def test_a_lane_that_fails_at_a_step_leaves_nothing_out(
        self, world: LaneWorld, point: str
    ) -> None:
        with world.raising_at(point):
            lane = self._start(world)
            world.send(1, rows(0, 10))
            world.until(lambda: bool(lane.failed), "a failure")
        lane.end()
        lane = self._start(world)
        world.wait_committed(1, 10)
        lane.end()
        assert set(self._found(world)) == {b"1:%d" % n for n in range(10)}

    def test_a_refused_record_ends_the_lane_and_nothing_of_it_is_committed(
        self, world: LaneWorld
    ) -> None:
        lane = self._start(world)
        world.send(1, rows(0, 5))
        world.wait_committed(1, 5)
        world.limit(world.output, 1)
        world.send(1, rows(5, 5))
        world.until(lambda: bool(lane.failed), "an end")
        lane.end()
        assert isinstance(lane.failed[0], Fatal)
        assert world.committed(1) == 5
        world.limit(world.output, 1_000_000)
        lane = self._start(world)
        world.wait_committed(1, 10)
        lane.end()
        assert set(self._found(world)) == {b"1:%d" % n for n in range(10)}

    def test_it_begins_at_what_retention_has_left(self, world: LaneWorld) -> None:
        world.send(1, rows(0, 8))
        world.expire(1, 5)
        lane = self._start(world)
        world.wait_committed(1, 8)
        lane.end()
        assert self._found(world) == [b"1:5", b"1:6", b"1:7"] or set(self._found(world)) == {
            b"1:5",
            b"1:6",
            b"1:7",
        }
