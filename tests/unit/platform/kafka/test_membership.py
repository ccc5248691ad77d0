"""A member that lost its partitions and is never let in again ends, so that a restart cures it."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from riskstream.platform.kafka.lanes.membership import OUT_S, Membership
from riskstream.runtime.errors import Retryable


class Client:
    """A consumer whose callbacks the test calls; `answers`: whether its brokers do."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.answers = True

    def subscribe(self, topics: list[str], **told: Any) -> None:
        assert topics == ["t"]
        self.told = told

    def list_topics(self, timeout: float) -> object:
        assert timeout < OUT_S
        if not self.answers:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return object()

    def says(self, what: str) -> None:
        self.told[what](self, [TopicPartition("t", 0)])


class Member:
    def __init__(self) -> None:
        self.client, self.at, self.seen = Client(), 0.0, list[str]()
        self.membership = Membership(self.client, "g", now=lambda: self.at)  # type: ignore[arg-type]
        self.membership.subscribe(
            ["t"],
            on_assign=lambda *_: self.seen.append("assign"),
            on_revoke=lambda *_: self.seen.append("revoke"),
            on_lost=lambda *_: self.seen.append("lost"),
        )

    def after(self, seconds: float) -> None:
        self.at += seconds
        self.membership.check()


def test_one_that_is_let_in_again_goes_on_and_is_told_everything() -> None:
    member = Member()
    for what in ("on_assign", "on_revoke", "on_lost"):
        member.client.says(what)
    member.after(OUT_S - 1)
    member.client.says("on_assign")
    member.after(10 * OUT_S)
    assert member.seen == ["assign", "revoke", "lost", "assign"]


def test_one_that_is_not_ends_and_says_why() -> None:
    member = Member()
    member.client.says("on_lost")
    member.after(OUT_S - 1)
    with pytest.raises(
        Retryable,
        match=r"the group gave this member no partition for 60 s after it lost its own .* "
        r"\(g\)",
    ):
        member.after(2)


def test_one_without_partitions_that_never_lost_any_waits() -> None:
    member = Member()
    member.after(100 * OUT_S)
    member.client.says("on_revoke")
    member.after(100 * OUT_S)


def test_while_no_broker_answers_nobody_is_let_in() -> None:
    member = Member()
    member.client.says("on_lost")
    member.client.answers = False
    for _ in range(5):
        member.after(OUT_S + 1)
    member.client.answers = True
    member.after(OUT_S - 1)
    with pytest.raises(Retryable):
        member.after(2)
