"""One process of a group works and the others stand by: whose turn it is, by Kafka's own group.

All members ask for one topic; who owns its first partition has the turn. A member that is gone
loses it when its session ends. One that was paused may not know yet that it lost its turn: what it
writes must be fenced (`sole_writer.py`).
"""

from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import Consumer, TopicPartition

from riskstream.platform.kafka.clients.client import consumer, group_settings, raise_if_error
from riskstream.platform.kafka.clients.starts import assign_paused
from riskstream.platform.kafka.lanes.membership import Membership
from riskstream.runtime.errors import Fatal, Retryable

log = structlog.get_logger("standby")
_POLL_S = 0.2


class Standby:
    """A member of the group, on a thread of its own; it reads nothing. Leaving it gives the turn to
    another at once.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        group_protocol: str = "consumer",
        session_timeout_ms: int = 6000,
    ) -> None:
        self._topic, self._has_turn = topic, False
        self._failure: Fatal | Retryable | None = None
        self._stop = Event()
        self._consumer = consumer(
            bootstrap, group, **group_settings(group_protocol, session_timeout_ms)
        )
        self._membership = Membership(self._consumer, group)
        self._thread = Thread(target=self._run, name="standby", daemon=True)

    @property
    def is_active(self) -> bool:
        """True where this process has the turn, as far as it knows; raises what ended its
        membership.
        """
        if self._failure is not None:
            raise self._failure
        return self._has_turn

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            self._membership.subscribe(
                [self._topic],
                on_assign=self._on_assign,
                on_revoke=self._on_gone,
                on_lost=self._on_gone,
            )
            while not self._stop.is_set():
                self._membership.check()
                message = self._consumer.poll(_POLL_S)
                try:
                    raise_if_error(message.error() if message else None, self._topic)
                except Retryable as error:
                    log.warning("the group does not answer", error=str(error))
        except (Fatal, Retryable) as error:
            self._failure = error
        finally:
            self._has_turn = False
            self._consumer.close()

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        assign_paused(client, partitions)
        self._has_turn = self._has_turn or any(each.partition == 0 for each in partitions)

    def _on_gone(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        self._has_turn = self._has_turn and all(each.partition for each in partitions)
        client.incremental_unassign(partitions)
