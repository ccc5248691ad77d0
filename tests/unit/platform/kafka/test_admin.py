"""What TopicAdmin does where the brokers refuse."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Retryable


class _Client:
    """Keeps to a leader of before until it is asked for all topics; `learns`: and then as well."""

    def __init__(self, *, learns: bool) -> None:
        self._learns, self._is_fenced = learns, True

    def list_topics(self, timeout: float) -> None:
        assert timeout > 0
        self._is_fenced = not self._learns

    def list_offsets(
        self, asked: dict[TopicPartition, Any], request_timeout: float
    ) -> dict[TopicPartition, Any]:
        assert request_timeout > 0
        out: dict[TopicPartition, Any] = {each: Future() for each in asked}
        for future in out.values():
            if self._is_fenced:
                future.set_exception(KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH)))
            else:
                future.set_result(SimpleNamespace(offset=7))
        return out


def _admin(*, learns: bool) -> TopicAdmin:
    admin = TopicAdmin("127.0.0.1:1")
    admin._admin, admin._timeout_s = _Client(learns=learns), 0.5  # type: ignore[assignment]
    return admin


def test_a_leader_that_changed_is_asked_for_anew() -> None:
    """As after a broker was paused until it was given up: the client's own memory of who leads
    lasts five minutes.
    """
    assert _admin(learns=True).end_offsets("scores.v1", 2) == [7, 7]


def test_a_leader_that_stays_away_is_told() -> None:
    with pytest.raises(Retryable, match="Kafka cannot be reached"):
        _admin(learns=False).end_offsets("scores.v1", 2)
