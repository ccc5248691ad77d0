"""Errors as librdkafka gives them."""

from confluent_kafka import KafkaError, KafkaException


def error(
    code: int, why: str, *, fatal: bool = False, retriable: bool = False, abort: bool = False
) -> KafkaError:
    """`abort`: the transaction must be aborted."""
    return KafkaError(code, why, fatal, retriable, abort)


def raised(
    code: int, why: str, *, fatal: bool = False, retriable: bool = False, abort: bool = False
) -> KafkaException:
    return KafkaException(error(code, why, fatal=fatal, retriable=retriable, abort=abort))


def fenced() -> KafkaError:
    """A newer producer has the transactional id, or the broker gave the transaction up."""
    return error(KafkaError._FENCED, "a newer producer has the transactional id", fatal=True)
