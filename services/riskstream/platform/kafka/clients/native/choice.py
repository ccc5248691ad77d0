"""Which way records go between a client and a lane: compiled where every check passes, else by
confluent-kafka's own calls. Said in the log, and by a metric.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Literal, TypeVar

import structlog
from confluent_kafka import Consumer, Producer
from prometheus_client import Gauge

from riskstream.platform.kafka.clients.native.library import Library, Unfit
from riskstream.platform.kafka.clients.native.put import NativePut
from riskstream.platform.kafka.clients.native.take import NativeTake
from riskstream.platform.kafka.clients.polled import PythonTake, Take
from riskstream.platform.kafka.clients.put import Put, PythonPut

log = structlog.get_logger("client")
Way = Literal["auto", "python"]
_T = TypeVar("_T", Take, Put)
library = cache(Library)


def take_of(
    client: Consumer, way: Way, shown: Gauge | None = None, *, is_told: bool = True
) -> Take:
    """How a consumer's records are taken. `shown`: 1 by label `side` where compiled code serves.

    `is_told`: the log says which way it is; else only that compiled code cannot serve, once.
    """
    if not isinstance(client, Consumer):  # Kafka in memory
        return PythonTake(client)
    if not is_told:
        return _untold(client, way)
    native: Callable[[Library], Take] = partial(NativeTake, client)
    return _chosen("take", way, shown, native, partial(PythonTake, client))


def _untold(client: Consumer, way: Way) -> Take:
    """As `take_of`, for what is short: a command, or the opening of one partition."""
    if way == "python":
        return PythonTake(client)
    try:
        return NativeTake(client, library())
    except Unfit as why:
        _warn(str(why))
        return PythonTake(client)


@cache
def _warn(why: str) -> None:
    log.warning("records go by confluent-kafka's own calls", side="take", why=why)


def put_of(client: Producer, topic: str, way: Way, shown: Gauge | None = None) -> Put:
    """How records are given to a producer; as `take_of`."""
    if not isinstance(client, Producer):
        return PythonPut(client, topic)
    native: Callable[[Library], Put] = partial(NativePut, client, topic)
    return _chosen("put", way, shown, native, partial(PythonPut, client, topic))


def _chosen(
    side: str,
    way: Way,
    shown: Gauge | None,
    native: Callable[[Library], _T],
    python: Callable[[], _T],
) -> _T:
    found: _T
    if way == "python":
        log.info("records go by confluent-kafka's own calls, as set", side=side)
        found = python()
    else:
        try:
            found = native(library())
        except Unfit as why:
            log.warning("records go by confluent-kafka's own calls", side=side, why=str(why))
            found = python()
        else:
            log.info("records go by compiled calls of librdkafka", side=side)
            if shown is not None:
                shown.labels(side=side).set(1)
            return found
    if shown is not None:
        shown.labels(side=side).set(0)
    return found
