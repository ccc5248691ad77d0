"""What a lane is told."""

from dataclasses import dataclass, field
from typing import Any

from riskstream.platform.kafka.clients.limits import producer_bytes
from riskstream.platform.kafka.clients.native.choice import Way
from riskstream.platform.kafka.lanes.ports import OnStateLost, Snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a lane's records come from and go to: the brokers, its group, its source and its
    output. `client`: how records pass from Kafka's client.
    """

    kafka: str
    group: str
    source: str
    output: str
    client: Way = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """What a lane is told. Times in ms but where named; `max_batch` records at most are taken at
    once.

    `reject_limit`: share of rejected records, of the last thousand, past which a partition is held.
    `output_kafka`: brokers of the producer where they differ; `client_id`: its name there. Empty:
    as `kafka`, as `group`. `dead_letter_bytes`: max.message.bytes of the dead letters' topic.
    `on_state_lost`, `snapshots`: as Recovery says. `client`: how records pass to and from Kafka's
    client.
    """

    kafka: str
    group: str
    source: str
    output: str
    dead_letters: str
    max_batch: int = 2048
    poll_ms: int = 50
    checkpoint_every_ms: int = 1000
    checkpoint_rows: int = 20_000
    drain_ms: int = 2000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000
    reject_limit: float = 0.5
    output_kafka: str = ""
    client: Way = "auto"
    client_id: str = ""
    dead_letter_bytes: int = field(default_factory=producer_bytes)
    on_state_lost: OnStateLost = "degrade"
    snapshots: Snapshots | None = None
    producer_overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def route(self) -> Route:
        return Route(
            kafka=self.kafka,
            group=self.group,
            source=self.source,
            output=self.output,
            client=self.client,
        )
