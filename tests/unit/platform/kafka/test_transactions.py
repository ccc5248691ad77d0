"""How long a step of a transaction waits for a broker that does not answer."""

import time
from threading import Event

import pytest
from confluent_kafka import KafkaError, KafkaException

from riskstream.platform.kafka.lanes.transactions import LAST_PATIENCE_S, PATIENCE_S, Transactions

TRY_S = 15.0


def _transactions(stop: Event) -> Transactions:
    made = Transactions.__new__(Transactions)  # its client would wait for a broker
    made._stop, made.waited_at = stop, 0.0
    return made


class _Broker:
    """Answers after so many seconds; a call before that takes TRY_S and ends as librdkafka's
    does.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, away_s: float, *, is_retriable: bool = True
    ) -> None:
        self.now, self._away_s, self._is_retriable = 0.0, away_s, is_retriable
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def __call__(self) -> None:
        if self.now < self._away_s:
            self.now += TRY_S
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, retriable=self._is_retriable))


def test_a_broker_may_be_away_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = _Broker(monkeypatch, away_s=PATIENCE_S - TRY_S)
    transactions = _transactions(Event())
    transactions._patiently(broker)
    assert transactions.waited_at >= PATIENCE_S - 2 * TRY_S, "the watchdog sees that it waits"


@pytest.mark.parametrize(("is_stopping", "at_most"), [(False, PATIENCE_S), (True, LAST_PATIENCE_S)])
def test_a_broker_that_stays_away_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, is_stopping: bool, at_most: float
) -> None:
    broker = _Broker(monkeypatch, away_s=10 * PATIENCE_S)
    stop = Event()
    if is_stopping:
        stop.set()
    with pytest.raises(KafkaException):
        _transactions(stop)._patiently(broker)
    assert at_most <= broker.now <= at_most + TRY_S


def test_what_is_no_broker_away_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = _Broker(monkeypatch, away_s=100, is_retriable=False)
    with pytest.raises(KafkaException):
        _transactions(Event())._patiently(broker)
    assert broker.now == TRY_S
