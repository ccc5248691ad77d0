"""States that are read before partitions are given: each record counts once, in order."""

import time
from collections.abc import Iterable

import pytest
from tests.support.lanes import Counting
from tests.support.own_topics import OwnTopics, wait_until

from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.lanes.derived_ahead import StatesAhead
from riskstream.platform.kafka.lanes.derived_settings import DerivedSettings
from riskstream.platform.kafka.lanes.derived_start import Committed, read_states
from riskstream.platform.kafka.record import Record, Records
from riskstream.runtime.errors import Fatal
from riskstream.workbench.local.chain import Chain

NONE = Committed(offset=0, flushed=0, metadata="flushed=0")


class _Restoring(Counting):
    """Keeps what is restored."""

    def __init__(self, own: OwnTopics) -> None:
        super().__init__(own.dead_letters, own.output)
        self.found: dict[int, list[bytes | None]] = {}

    def restore(self, partition: int, records: Iterable[Record]) -> None:
        self.found[partition] = [record.value for record in records]


def _settings(own: OwnTopics) -> DerivedSettings:
    return DerivedSettings(kafka=own.kafka, group=own.group, source=own.source, instance="0")


def _send(own: OwnTopics, topic: str, first: int, stop: int) -> None:
    producer = BulkProducer(own.kafka, "states")
    values = [b"%d" % n for n in range(first, stop)]
    producer.send(topic, [b"key-%d" % (n % 7) for n in range(first, stop)], values)
    producer.flush()


def test_each_record_is_restored_once_in_order(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    work = _Restoring(own)
    (topic,) = work.state_topics
    _send(own, topic, 0, 500)
    ahead = StatesAhead(_settings(own), work)
    wait_until(lambda: topic in ahead._read and not ahead._read[topic][0].has_more, "all is read")
    _send(own, topic, 500, 700)
    committed = dict.fromkeys(range(4), NONE)
    seen: list[int] = []
    read_states(_settings(own), work, None, committed, lambda: seen.append(1), ahead)
    found = work.found
    numbers = [[int(each or b"") for each in part] for part in found.values()]
    assert sorted(each for part in numbers for each in part) == list(range(700))
    assert all(part == sorted(part) for part in numbers)
    work.found = {}
    read_states(_settings(own), work, None, committed, lambda: seen.append(1), ahead)
    assert work.found == found  # nothing is left of what was read ahead
    ahead.close()


class _Foreseeing(_Restoring):
    """Keeps what is foreseen, and what of it is dropped."""

    def __init__(self, own: OwnTopics) -> None:
        super().__init__(own)
        self.foreseen: dict[int, list[bytes | None]] = {}
        self.dropped: list[int] = []

    def foresee(self, partition: int, records: Records) -> None:
        self.foreseen.setdefault(partition, []).extend(records.values)

    def forget(self, partition: int) -> None:
        self.dropped.append(partition)


def test_what_is_foreseen_is_restored_first_or_dropped(
    bare: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OwnTopics.made(bare)
    work = _Foreseeing(own)
    (topic,) = work.state_topics
    _send(own, topic, 0, 500)
    ahead = StatesAhead(_settings(own), work)
    wait_until(lambda: topic in ahead._read and not ahead._read[topic][0].has_more, "all is read")
    _send(own, topic, 500, 600)
    read_states(_settings(own), work, None, {0: NONE, 2: NONE}, lambda: None, ahead)
    assert sorted(work.found) == [0, 2]
    for partition, found in work.found.items():
        foreseen = work.foreseen.get(partition, [])
        assert found[: len(foreseen)] == foreseen
    others = {each for each in work.foreseen if each not in work.found}
    assert set(work.dropped) == others
    monkeypatch.setattr("riskstream.platform.kafka.lanes.derived_ahead._KEPT_S", 0.3)
    work = _Foreseeing(own)
    ahead = StatesAhead(_settings(own), work)
    wait_until(lambda: not ahead._thread.is_alive(), "it is dropped")
    assert set(work.dropped) == set(work.foreseen) != set()


def test_what_is_not_wanted_is_dropped(bare: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskstream.platform.kafka.lanes.derived_ahead._KEPT_S", 0.3)
    own = OwnTopics.made(bare)
    _send(own, own.output, 0, 50)
    work = _Restoring(own)
    ahead = StatesAhead(_settings(own), work)
    wait_until(lambda: not ahead._thread.is_alive(), "it is dropped")
    assert ahead.taken() == {}


def test_a_topic_that_is_not_there_is_told_to_whoever_reads_then(bare: Chain) -> None:
    own = OwnTopics.made(bare)
    work = _Restoring(own)
    work.state_topics = ("no-such-topic",)
    ahead = StatesAhead(_settings(own), work)
    time.sleep(0.2)
    assert ahead.taken() == {}
    with pytest.raises(Fatal, match="no topic no-such-topic"):
        read_states(_settings(own), work, None, {0: NONE}, lambda: None, ahead)
