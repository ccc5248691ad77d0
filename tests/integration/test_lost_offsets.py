"""A group whose offsets are lost, and a topic whose head moved meanwhile: the tracker goes on where
its states stand.
"""

import itertools
from collections import Counter

import numpy as np
from tests.support.builders import NOW_MS, alert, frame
from tests.support.processes import kill, lose_offsets
from tests.support.world import World

from riskstream.domain.contracts.catalog import DEFAULT_PARTITIONS
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.partition import partition_kernel
from riskstream.platform.kafka.clients.produce import BulkProducer
from riskstream.platform.kafka.clients.read import TopicReader
from riskstream.workbench.local.chain import Chain
from riskstream.workbench.local.services import wait_ready


def _customers(tag: str) -> list[str]:
    """One of each partition: where one got nothing, its group would commit nothing there, and who
    waits for that waits long.
    """
    found: dict[int, str] = {}
    for number in itertools.count():
        name, out = f"{tag}-{number}", np.empty(1, np.int32)
        data = np.frombuffer(name.encode(), np.uint8)
        partition_kernel(
            data, np.zeros(1, np.int64), np.array([len(data)], np.int32), DEFAULT_PARTITIONS, out
        )
        found.setdefault(int(out[0]), name)
        if len(found) == DEFAULT_PARTITIONS:
            return list(found.values())
    raise AssertionError


def _burst(tag: str, first: int, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """Small amounts in quick succession: some of it is alerted."""
    customers = _customers(tag)
    return [
        (
            customers[n % 4].encode(),
            frame(
                customer_id=customers[n % 4],
                transaction_id=f"{tag}-{n}",
                channel="ECOM",
                amount_minor=90,
                base_amount_minor=90,
                occurred_at=NOW_MS + n * 1000,
            ),
        )
        for n in range(first, first + count)
    ]


def test_a_tracker_killed_between_a_commit_and_a_flush_goes_on_without_its_groups_offsets(
    bare: Chain,
) -> None:
    world = World(bare)
    scorer = bare.start("scorer")
    world.send(_burst(world.tag, 0, 120))
    world.scores(120)
    tracker = bare.start("tracker", {"RISKSTREAM_TRACKER_FLUSH_MS": "2000"})
    wait_ready([scorer, tracker])
    world.wait_for_tracker()
    tracker.server.stop()
    # commits, and writes no state
    tracker = bare.start("tracker", {"RISKSTREAM_TRACKER_FLUSH_MS": "60000"})
    world.send(_burst(world.tag, 120, 120))
    expected = {
        str(each.transaction_id) for each in world.scores(240) if each.decision != "APPROVE"
    }
    late = {each for each in expected if int(each.removeprefix(f"{world.tag}-")) >= 120}
    assert late
    world.new(
        "alerts.v1",
        len(expected),
        lambda record: (record.key or b"").startswith(world.tag.encode()),
    )
    kill(tracker)
    lose_offsets(world.kafka, "tracker")
    _raise_late_alerts(world)
    tracker = bare.start("tracker")
    world.send(_burst(world.tag, 240, 40))
    expected = {
        str(each.transaction_id) for each in world.scores(280) if each.decision != "APPROVE"
    }
    world.wait_for_tracker()
    tracker.server.stop()
    scorer.server.stop()
    alerts = [codec("alert.v1").decode(record.value) for record in world.all_new("alerts.v1")]
    found = Counter(
        each["transaction_id"]
        for each in alerts
        if each["kind"] == "score" and each["transaction_id"].startswith(world.tag)
    )
    assert found == Counter(expected), "each alert once"
    states = {}
    with TopicReader(world.kafka, ["customer-risk.v1"]) as reader:
        for record in reader.until_end():
            if (record.key or b"").startswith(world.tag.encode()):
                states[record.key] = codec("customer-risk.v1").decode(record.value)
    assert [sum(tile["transactions"] for tile in each["daily"]) for each in states.values()] == [
        70
    ] * 4
    assert {each["whole_from"] for each in states.values()} == {0}
    assert "whole_from" not in tracker.server.log.read_text()


def _raise_late_alerts(world: World) -> None:
    """As a gateway does: they are the newest records, and say nothing of the tracker's place."""
    names = [name.encode() for name in _customers(world.tag)]
    producer = BulkProducer(world.kafka, "test")
    for name in names:
        values = alert(customer_id=name.decode(), src=1_000_000, kind="late_score", told="BLOCK")
        frame_of_one = codec("alert.v1").encode(values)
        producer.send("alerts.v1", [name] * 80, [frame_of_one] * 80)
    producer.flush()
