"""Where a partition may be read from, as far as Kafka tells."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from riskstream.platform.kafka.clients.starts import legal_start, watermarks
from riskstream.runtime.errors import Fatal, Retryable


class Client:
    """Tells its marks, or raises."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def get_watermark_offsets(self, *_: object, timeout: float) -> Any:
        assert timeout > 0
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def _failing(code: int) -> Any:
    return Client(KafkaException(KafkaError(code)))


def test_a_broker_that_comes_back_and_does_not_know_the_partition_yet_is_asked_again() -> None:
    """Seen with a broker that stood still for 60 s: the scorer ended, and named the topic as what
    is wrong.
    """
    for ask in (
        lambda each: watermarks(each, "t", 1, 1.0),
        lambda each: legal_start(each, "t", 1, 5),
    ):
        with pytest.raises(Retryable, match="t\\[1\\]"):
            ask(_failing(KafkaError._UNKNOWN_PARTITION))


@pytest.mark.parametrize("code", [KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_what_a_person_must_mend_stays_fatal(code: int) -> None:
    with pytest.raises(Fatal):
        watermarks(_failing(code), "t", 1, 1.0)


def test_no_answer_in_time_is_asked_again() -> None:
    silent: Any = Client(TimeoutError())
    with pytest.raises(Retryable):
        watermarks(silent, "t", 1, 1.0)


@pytest.mark.parametrize(("wanted", "start"), [(2, 5), (5, 5), (7, 7), (9, 9)])
def test_a_start_is_an_offset_that_is_there(wanted: int, start: int) -> None:
    there: Any = Client((5, 9))
    assert legal_start(there, "t", 1, wanted) == start
    assert watermarks(there, "t", 1, 1.0) == (5, 9)


def test_a_position_past_the_end_is_of_another_topic() -> None:
    there: Any = Client((5, 9))
    with pytest.raises(Fatal, match="past the end 9"):
        legal_start(there, "t", 1, 10)
