"""Clients with the settings that the product relies on, and the translation of librdkafka's
errors.
"""

import logging
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from riskstream.platform.kafka.clients.limits import producer_bytes
from riskstream.platform.kafka.clients.refusals import ADVICE, AWAY, EXPIRED, GROUP
from riskstream.platform.kafka.clients.security import security
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.machine import monotonic

GAPLESS: dict[str, Any] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    "partitioner": "murmur2_random",
    "message.timeout.ms": 0,
    "linger.ms": 0,
    "socket.nagle.disable": True,
    "queue.buffering.max.messages": 200_000,
}
"""Producer of an exact lane (I3): idempotent, no hole in a series, no message given up."""


def producing(bootstrap: str, name: str) -> dict[str, Any]:
    """What every producer begins with: a connection, and the largest record that one of our topics
    takes.
    """
    return {**connection(bootstrap), "client.id": name, "message.max.bytes": producer_bytes()}


def connection(bootstrap: str) -> dict[str, Any]:
    """What every client begins with: where Kafka is, and as whom."""
    return {"bootstrap.servers": bootstrap, **security()}


def client_log() -> logging.Logger:
    """Where librdkafka's own log lines go: nowhere, until `telemetry.logs` gives this logger a
    handler.
    """
    logger = logging.getLogger("librdkafka")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


class Clients(Protocol):
    """What makes clients of one cluster, from librdkafka's settings."""

    def consumer(self, settings: dict[str, Any]) -> Consumer: ...

    def producer(self, settings: dict[str, Any]) -> Producer: ...

    def admin(self, settings: dict[str, Any]) -> AdminClient: ...


class Librdkafka:
    """Clients of a cluster that is reached over the network."""

    def consumer(self, settings: dict[str, Any]) -> Consumer:
        return Consumer(settings, logger=client_log())

    def producer(self, settings: dict[str, Any]) -> Producer:
        return Producer(settings, logger=client_log())

    def admin(self, settings: dict[str, Any]) -> AdminClient:
        return AdminClient(settings, logger=client_log())


LIBRDKAFKA = Librdkafka()
IN_MEMORY: dict[str, Clients] = {}
"""Logs in memory (`memory.py`) by the address that stands for each in `bootstrap.servers`."""


def clients_at(settings: dict[str, Any]) -> Clients:
    """Who makes the clients of the cluster that the settings name."""
    return IN_MEMORY.get(settings["bootstrap.servers"], LIBRDKAFKA)


def producer_of(settings: dict[str, Any]) -> Producer:
    """A producer with these settings and no others; they begin with `producing`."""
    return clients_at(settings).producer(settings)


def admin_client(bootstrap: str, **overrides: Any) -> AdminClient:
    """A client that asks about topics and groups."""
    settings = {**connection(bootstrap), **overrides}
    return clients_at(settings).admin(settings)


def producer(bootstrap: str, name: str, **overrides: Any) -> Producer:
    """A producer for single records at an edge: idempotent, 10 s to deliver, murmur2 like every
    other client.
    """
    return producer_of(
        {
            **producing(bootstrap, name),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "message.timeout.ms": 10_000,
            "socket.nagle.disable": True,
            **overrides,
        }
    )


def consumer(bootstrap: str, group: str, **overrides: Any) -> Consumer:
    """A consumer with explicit offsets only: reset is an error, commits are ours, EOF is told."""
    settings = {
        **connection(bootstrap),
        "group.id": group,
        "client.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 2,  # the default of 1 s stalls a deep backlog
        "socket.nagle.disable": True,
        "log.connection.close": False,
        **overrides,
    }
    return clients_at(settings).consumer(settings)


def group_settings(protocol: str, session_timeout_ms: int) -> dict[str, Any]:
    """Settings of a group member: KIP-848 (`consumer`, timeouts are the broker's) or `classic`
    cooperative.
    """
    if protocol == "consumer":
        return {"group.protocol": "consumer", "group.remote.assignor": "uniform"}
    return {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": max(session_timeout_ms // 3, 500),
    }


def raise_if_error(error: KafkaError | None, where: str) -> None:
    """Translate a librdkafka error: Retryable where the world may correct it, Fatal else; EOF is no
    error.
    """
    if error is None or error.code() == KafkaError._PARTITION_EOF:
        return
    if error.fatal():
        raise Fatal(
            what=f"Kafka client failed: {error.str()}", where=where, do="restart the process"
        )
    raise translated(error, where)


def translated(error: KafkaError | KafkaException | TimeoutError, where: str) -> Retryable | Fatal:
    """The product's error for a librdkafka error or exception, or a request that was not answered
    in time.
    """
    if isinstance(error, TimeoutError):
        return Retryable(what="Kafka does not answer", where=where)
    inner = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(inner, KafkaError):
        return Fatal(what=f"Kafka refused: {inner}", where=where, do=_DO)
    code, text = inner.code(), inner.str()
    if code in EXPIRED:
        return Retryable(what=f"the offset is not in the topic any more: {text}", where=where)
    if code in GROUP:
        return Retryable(what=f"the group is rebalancing: {text}", where=where)
    if code not in ADVICE and (inner.retriable() or code in AWAY):
        return Retryable(what=f"Kafka cannot be reached: {text}", where=where)
    return Fatal(what=f"Kafka refused: {text}", where=where, do=ADVICE.get(code, _DO))


_DO = "check the topics and the settings"


def flushed(client: Producer, deadline_s: float) -> int:
    """Wait until the brokers have everything; how many records they lack at the deadline.
    KafkaException where it is broken.

    Not Producer.flush: that calls our callbacks on after a fatal error, with its exception set, and
    ends in a SystemError.
    """
    end = monotonic() + deadline_s
    while len(client) and (left := end - monotonic()) > 0:
        client.poll(left)
    return len(client)
