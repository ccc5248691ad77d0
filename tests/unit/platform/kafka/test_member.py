"""What a member of a group makes of what its client says."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from riskstream.platform.kafka.clients.client import IN_MEMORY
from riskstream.platform.kafka.clients.polled import PythonTake
from riskstream.platform.kafka.lanes.forward import ForwardSettings
from riskstream.platform.kafka.lanes.member import Member
from riskstream.platform.kafka.record import Place
from riskstream.platform.telemetry.metrics import ProfilerMetrics
from riskstream.runtime.errors import Fatal, Retryable

AT = "memory-member:1"


class Message(SimpleNamespace):
    """A record of t[3], or an error there."""

    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        super().__init__(
            topic=lambda: "t", partition=lambda: 3, offset=lambda: offset, error=lambda: error
        )


class Client:
    """A consumer whose group and records the test gives; it says what it was asked for."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.waiting: list[Message] = []
        self.unassigned: list[int] = []
        self.is_closed = False

    def consumer(self, settings: dict[str, Any]) -> "Client":
        assert settings["group.id"] == "g"
        return self

    def subscribe(self, topics: list[str], **told: Any) -> None:
        assert topics == ["t"]
        self.told = told

    def poll(self, timeout_s: float) -> Message:
        assert timeout_s == 0
        return self.waiting.pop(0)

    def consume(self, most: int, timeout_s: float) -> list[Message]:
        assert (most, timeout_s) == (9, 0)
        given, self.waiting = self.waiting, []
        return given

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.unassigned += [each.partition for each in partitions]

    def close(self) -> None:
        self.is_closed = True

    def says(self, what: str) -> None:
        self.told[what](self, [TopicPartition("t", 3)])


class OfMessages(PythonTake):
    """Gives the client's messages as they are."""

    def polled(self, most: int) -> Any:
        return self.messages(most)


class Lane:
    """A lane that notes what it is told."""

    def __init__(self, *, is_end: bool = True) -> None:
        self.client: Any = IN_MEMORY[AT]
        self.seen: list[object] = []
        self.is_end, self.registry = is_end, CollectorRegistry()
        settings = ForwardSettings(kafka=AT, group="g", sources=("t",), output="o")
        metrics = ProfilerMetrics(self.registry)
        self.member = Member(settings, settings.sources, metrics, OfMessages)

    def take(self, *messages: Message) -> Any:
        """What the member gives of these."""
        self.client.waiting = list(messages)
        assert self.member.wait(0)
        return self.member.polled(10)

    def joined(self) -> Any:
        return self.member.joined(
            on_assign=lambda *_: self.seen.append("assign"),
            on_revoke=lambda *_: self.seen.append("revoke"),
            on_lost=lambda *_: self.seen.append("lost"),
            on_expired=lambda place: self.seen.append(("expired", place)),
            on_end=self.ended,
        )

    def ended(self, place: Place, offset: int) -> bool:
        self.seen.append(("end", place, offset))
        return self.is_end

    @property
    def lag_s(self) -> float | None:
        labels = {"topic": "t", "partition": "3"}
        return self.registry.get_sample_value("riskstream_profiler_lag_seconds", labels)


@pytest.fixture
def client() -> Iterator[Client]:
    IN_MEMORY[AT] = made = Client()  # type: ignore[assignment]
    yield made
    del IN_MEMORY[AT]


def error_of(code: int, *, fatal: bool = False) -> KafkaError:
    return KafkaError(code, "said so", fatal=fatal)


def test_records_come_in_order_and_what_is_none_is_told(client: Client) -> None:
    lane = Lane()
    end, expired = error_of(KafkaError._PARTITION_EOF), error_of(KafkaError.OFFSET_OUT_OF_RANGE)
    with lane.joined():
        told = [Message(5, end), Message(6), Message(7, expired), Message(8)]
        taken = lane.take(Message(4), *told)
    assert [each.offset() for each in taken] == [4, 6, 8]
    assert lane.seen == [("end", ("t", 3), 5), ("expired", ("t", 3))]


@pytest.mark.parametrize("is_end", [True, False])
def test_lag_is_none_at_an_end_of_now_alone(client: Client, is_end: bool) -> None:
    lane = Lane(is_end=is_end)
    with lane.joined():
        client.says("on_assign")
        lane.member.lag.taken("t", 3, 4, 1000)
        lane.take(Message(5, error_of(KafkaError._PARTITION_EOF)))
        assert lane.lag_s is not None
        assert (lane.lag_s == 0) == is_end


@pytest.mark.parametrize(("how", "told"), [("on_revoke", "revoke"), ("on_lost", "lost")])
def test_a_partition_is_let_go_after_the_lane_was_told(client: Client, how: str, told: str) -> None:
    lane = Lane()
    with lane.joined():
        client.says("on_assign")
        assert lane.lag_s is not None
        client.says(how)
        assert lane.seen == ["assign", told]
        assert client.unassigned == [3]
        assert lane.lag_s is None


def test_the_worlds_errors_pass(client: Client) -> None:
    lane = Lane()
    with lane.joined():
        assert lane.take(Message(0, error_of(KafkaError._TRANSPORT))) == []
    assert lane.seen == []


def test_an_error_that_a_person_must_see_to_ends_the_member(client: Client) -> None:
    lane, refused = Lane(), error_of(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Fatal, match=r"Kafka refused: .* \(t\[3\]\)"), lane.joined():
        lane.take(Message(0, refused))
    assert client.is_closed


def test_a_client_that_is_lost_ends_the_member_whatever_the_error_is(client: Client) -> None:
    lane = Lane()
    lost = error_of(KafkaError.UNKNOWN_MEMBER_ID, fatal=True)
    with pytest.raises(Fatal, match="the consumer failed: said so"), lane.joined():
        lane.take(Message(0, lost))
    assert client.is_closed


def test_an_exception_of_the_client_is_told_as_ours_and_the_member_leaves(client: Client) -> None:
    with pytest.raises(Retryable), Lane().joined():
        raise KafkaException(error_of(KafkaError._TRANSPORT))
    assert client.is_closed


def test_a_loop_that_goes_round_is_seen(client: Client) -> None:
    member = Lane().member
    before = member.loop_seen
    assert member.see() >= before
    assert member.loop_seen >= before
    assert not client.is_closed
