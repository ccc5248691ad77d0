"""The named schedules. Each takes a Stage with a running load and does what it is named for."""

import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from loadtests.chaos.cluster import SCORERS, SESSION_TIMEOUT_S
from loadtests.model import small_model
from loadtests.proof.stage import Stage
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.read import TopicReader

TAKE_OVER_S = SESSION_TIMEOUT_S + 3


def coordinator_cut(stage: Stage) -> None:
    """The broker that coordinates the scorers' group freezes for longer than a session."""
    admin = AdminClient({"bootstrap.servers": stage.kafka})
    found = admin.describe_consumer_groups(["scorer"])["scorer"].result(10).coordinator
    assert stage.cluster.chain.stack.cluster is not None
    node = stage.cluster.chain.stack.cluster.ports.index(found.port)
    server = stage.cluster.broker(node)
    stage.cluster.freeze(server)
    time.sleep(12)
    stage.cluster.thaw(server)
    time.sleep(8)


def load_between(stage: Stage) -> None:
    """A scorer is paused, another takes over and writes; it wakes and loads rows that are ahead of
    it.
    """
    for _ in range(3):
        name = stage.cluster.busiest()
        stage.load.burst(600)
        time.sleep(0.05)
        stage.cluster.pause(name)
        time.sleep(TAKE_OVER_S)
        stage.load.burst(400)
        stage.cluster.resume(name)
        time.sleep(4)
        stage.wait_until_flowing()


def compacted_zombie(stage: Stage) -> None:
    """The tracker is paused, another takes its place, it wakes; then the state topic is compacted
    for a fresh reader.
    """
    stage.cluster.pause("tracker-1")
    stage.cluster.start("tracker-2")
    time.sleep(15)
    stage.cluster.resume("tracker-1")
    time.sleep(5)
    stage.cluster.restart_ended()
    before = _count(stage.kafka, "customer-risk.v1")
    admin = AdminClient({"bootstrap.servers": stage.kafka})
    _alter(
        admin,
        "customer-risk.v1",
        {
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "1000",
        },
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and _count(stage.kafka, "customer-risk.v1") >= before:
        time.sleep(3)
    after = _count(stage.kafka, "customer-risk.v1")
    stage.counts.update(state_records_before=before, state_records_after=after)
    stage.expect("nothing was compacted", after < before)


def gap_refused(stage: Stage) -> None:
    """The brokers refuse scores for a while: the scorers end rather than leave a hole, and go on
    when they may.
    """
    admin = AdminClient({"bootstrap.servers": stage.kafka})
    _alter(admin, "scores.v1", {"max.message.bytes": "100"})
    ended = 0
    end = time.monotonic() + 10
    while time.monotonic() < end:
        ended += sum(name in SCORERS for name in stage.cluster.restart_ended())
        time.sleep(0.5)
    _alter(admin, "scores.v1", {"max.message.bytes": "1048588"})
    stage.counts["scorers_ended"] = ended
    stage.expect("no scorer ended", ended > 0)
    time.sleep(8)
    stage.cluster.restart_ended()
    stage.wait_until_flowing(40)


def gap_broker_away(stage: Stage) -> None:
    """The only broker freezes for six minutes: nothing is given up."""
    server = stage.cluster.broker(0)
    stage.cluster.freeze(server)
    time.sleep(360)
    stage.cluster.thaw(server)
    time.sleep(15)
    stage.cluster.restart_ended()
    stage.wait_until_flowing(60)


def gap_full_queue(stage: Stage) -> None:
    """Produce connections are held until the producers' queues (1,000 records) are full; nothing is
    lost in the waiting.
    """
    for proxy in stage.cluster.kafka_proxies:
        for name in SCORERS:
            proxy.hold(name)
    stage.load.burst(6000)
    time.sleep(6)
    for proxy in stage.cluster.kafka_proxies:
        proxy.release()
    stage.wait_until_flowing(60)


def reader_restart(stage: Stage) -> None:
    """The reader is restarted every two seconds while scorers are killed."""
    for name in (*SCORERS, *SCORERS):
        stage.load.burst(500)
        stage.cluster.kill(name)
        stage.cluster.start(name)
        time.sleep(4)
    stage.expect("the reader was not restarted", stage.reader.restarts >= 4)


def markers(stage: Stage) -> None:
    """Upstream writes in transactions: some commit, some abort, one is left open until the broker
    ends it.
    """
    base = codec("transaction.v1")
    transaction = base.decode(
        next(value for value in stage.rows.values if value not in stage.rows.poison)
    )
    for number in range(12):
        producer = Producer(
            {
                "bootstrap.servers": stage.kafka,
                "transactional.id": f"upstream-{number}",
                "transaction.timeout.ms": 5000,
            }
        )
        producer.init_transactions(20)
        producer.begin_transaction()
        for index in range(40):
            customer = f"tx-{index % 7}"
            frame = base.encode(
                {**transaction, "customer_id": customer, "transaction_id": f"up-{number}-{index}"}
            )
            producer.produce("transactions.v1", frame, customer.encode())
        producer.flush(20)
        if number % 3 == 0:
            producer.commit_transaction(20)
            stage.counts["committed"] += 40
        elif number % 3 == 1:
            producer.abort_transaction(20)
            stage.counts["aborted"] += 40
        else:
            del producer  # left open: the broker aborts it after 5 s
            stage.counts["left_open"] += 40
    time.sleep(20)
    stage.cluster.kill("scorer-1")
    stage.cluster.start("scorer-1")


def revoke_inside_consume(stage: Stage) -> None:
    """Members join and leave while batches are taken."""
    for _ in range(5):
        before = stage.cluster.assignments("scorer-2")
        stage.load.burst(800)
        stage.cluster.restart("scorer-2", gracefully=True)
        stage.load.burst(800)
        end = time.monotonic() + 20
        while stage.cluster.assignments("scorer-2") == before and time.monotonic() < end:
            time.sleep(0.1)
    stage.counts["rebalances"] = stage.cluster.rebalances()
    stage.expect("no rebalance", stage.counts["rebalances"] >= 5)


def swap(stage: Stage) -> None:
    """Between the original and the replay the model file changes: what was answered stays, features
    go on exactly.
    """
    for name in SCORERS:
        stage.cluster.kill(name)
    stage.cluster.redis().flushall()
    stage.cluster.chain.use_model(small_model(Path("build/loadtests/model-40"), trees=40))
    for name in SCORERS:
        stage.cluster.start(name)
    stage.checked_model = None
    time.sleep(10)
    stage.wait_until_flowing(30)


def upstream_duplicate(stage: Stage) -> None:
    """Everything sent in the last seconds is sent again, and the scorers are killed meanwhile."""
    for _ in range(3):
        stage.load.again(400)
        stage.cluster.kill(stage.cluster.busiest())
        stage.load.again(200)
        time.sleep(1)
        for name in SCORERS:
            if name in stage.cluster.down:
                stage.cluster.start(name)
        time.sleep(TAKE_OVER_S)


def clock(stage: Stage) -> None:
    """Transactions of 2018 are scored; those of the year 9999 are rejected, and nothing else is."""
    base = codec("transaction.v1")
    transaction = base.decode(
        next(value for value in stage.rows.values if value not in stage.rows.poison)
    )
    producer = Producer({"bootstrap.servers": stage.kafka})
    for index in range(300):
        customer = f"clock-{index % 5}"
        at = 1_514_764_800_000 + index * 60_000 if index % 2 else 253_370_764_800_000 + index
        frame = base.encode(
            {
                **transaction,
                "customer_id": customer,
                "transaction_id": f"clock-{index}",
                "occurred_at": at,
            }
        )
        if index % 2 == 0:
            stage.poison.add(frame)
        producer.produce("transactions.v1", frame, customer.encode())
    stage.expect("not delivered", producer.flush(20) == 0)
    stage.counts.update(of_2018=150, of_9999=150)
    time.sleep(3)


def _count(kafka: str, topic: str) -> int:
    with TopicReader(kafka, [topic]) as reader:
        return sum(1 for _ in reader.until_end())


def _alter(admin: AdminClient, topic: str, values: dict[str, str]) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(20)
