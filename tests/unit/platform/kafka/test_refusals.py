"""Every error of Kafka that we can meet: who is at fault, and what to do."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from riskstream.platform.kafka.clients.client import translated
from riskstream.platform.kafka.clients.refusals import ADVICE, AWAY, EXPIRED, FENCED, GROUP
from riskstream.runtime.errors import Fatal, Retryable


@pytest.mark.parametrize("code", sorted(AWAY))
def test_what_the_world_mends_can_be_tried_again(code: int) -> None:
    found = translated(KafkaException(KafkaError(code)), "here")
    assert isinstance(found, Retryable)
    assert "Kafka cannot be reached" in str(found)


@pytest.mark.parametrize("code", sorted(GROUP | EXPIRED))
def test_a_member_that_lost_its_partitions_or_an_offset_goes_on(code: int) -> None:
    assert isinstance(translated(KafkaError(code), "here"), Retryable)


@pytest.mark.parametrize("code", sorted(ADVICE))
def test_what_a_person_must_mend_is_fatal_and_says_what_to_do(code: int) -> None:
    found = translated(KafkaError(code), "here")
    assert isinstance(found, Fatal)
    assert found.do == ADVICE[code]


def test_each_error_stands_in_one_table() -> None:
    tables = [AWAY, GROUP, EXPIRED, frozenset(ADVICE)]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))
    assert ADVICE.keys() >= FENCED


def test_an_error_that_the_client_calls_retriable_is_the_worlds_without_a_line_here() -> None:
    unknown = KafkaError(KafkaError.INVALID_REQUIRED_ACKS, "odd", retriable=True)
    assert isinstance(translated(unknown, "here"), Retryable)
    assert isinstance(translated(KafkaError(KafkaError.INVALID_REQUIRED_ACKS), "here"), Fatal)
