"""Open-loop latency: a sender that keeps its own time table, a receiver, and a contender between,
each a process.

`python -m loadtests.peers.latency send|receive …`; both stamp with CLOCK_MONOTONIC, which is one
clock for the machine.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from loadtests.peers.contender import PARTITIONS, Contender, Process, make_output, make_topic
from riskstream.domain.contracts.codec import codec
from riskstream.platform.kafka.clients.client import GAPLESS

RATE, WARM_S, SECONDS = 500, 5, 20


def measure(
    kafka: str, contender: Contender, frames: list[tuple[bytes, bytes]], folder: Path, tag: str
) -> list[float]:
    """Latencies in ms of SECONDS of load after WARM_S, by intended send time, of what came out the
    first time.
    """
    source, output = make_topic(kafka, f"lat-{tag}"), make_output(kafka, f"lat-out-{tag}")
    path = folder / f"frames-{tag}.json"
    path.write_text(
        json.dumps(
            [[key.decode(), frame.hex()] for key, frame in frames[: RATE * (WARM_S + SECONDS)]]
        )
    )
    process = Process(
        contender.command(source, output, f"lat-{tag}"), {0, 1}, folder / f"{contender.slug}.log"
    )
    receiver = _start("receive", kafka, output, str(RATE * (WARM_S + SECONDS)), contender.name)
    try:
        time.sleep(8)  # imports, kernels, assignment
        process.check()
        sender = _start("send", kafka, source, str(path))
        sent = json.loads(sender.communicate(timeout=WARM_S + SECONDS + 60)[0])
        received = json.loads(receiver.communicate(timeout=60)[0])
    finally:
        receiver.kill()
        process.stop()
        path.unlink()
    names = [
        codec("transaction.v1").decode(frame)["transaction_id"] for _, frame in frames[: len(sent)]
    ]
    missing = [name for name in names if name not in received]
    if missing:
        raise RuntimeError(f"{contender.name}: {len(missing)} of {len(names)} did not come out")
    skipped = RATE * WARM_S
    return [
        (received[name] - at) * 1000
        for name, at in zip(names[skipped:], sent[skipped:], strict=True)
    ]


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "loadtests.peers.latency", *arguments], stdout=subprocess.PIPE
    )


def send(kafka: str, topic: str, path: str) -> None:
    """Prints the intended send times, s."""
    rows = [
        (key.encode(), bytes.fromhex(frame)) for key, frame in json.loads(Path(path).read_text())
    ]
    producer = Producer({"bootstrap.servers": kafka, **GAPLESS})
    producer.list_topics(topic, 10)
    start = time.monotonic() + 0.5
    times = (start + np.arange(len(rows)) / RATE).tolist()
    for at, (key, frame) in zip(times, rows, strict=True):
        while (left := at - time.monotonic()) > 0:
            time.sleep(left)
        producer.produce(topic, frame, key)
        producer.poll(0)
    producer.flush(30)
    print(json.dumps(times))


def receive(kafka: str, topic: str, count: str, contender: str) -> None:
    """Prints when each transaction id came first, s."""
    raw: list[tuple[float, bytes]] = []
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"receive-{topic}",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    end = time.monotonic() + 120
    while len(raw) < int(count) and time.monotonic() < end:
        first = consumer.poll(0.1)
        if first is None:
            continue
        messages = [first, *consumer.consume(1000, 0)]
        now = time.monotonic()
        raw += [(now, message.value()) for message in messages if message.error() is None]  # type: ignore[misc]
    decode = codec("transaction.v1" if contender == "raw forward" else "score.v1").decode
    found: dict[str, float] = {}
    for at, frame in raw:
        found.setdefault(decode(frame)["transaction_id"], at)
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(*sys.argv[2:])
    else:
        receive(*sys.argv[2:])
