"""What a forward lane is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from riskstream.platform.kafka.clients.limits import producer_bytes
from riskstream.platform.kafka.clients.native.choice import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings:
    """What a forward lane is told. `dead_letters`: by source the topic for its records that cannot
    be read.

    `dead_letter_bytes`: max.message.bytes of those topics.
    """

    kafka: str
    group: str
    sources: tuple[str, ...]
    output: str
    dead_letters: Mapping[str, str] = field(default_factory=dict)
    dead_letter_bytes: int = field(default_factory=producer_bytes)
    max_batch: int = 4096
    commit_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000
    client: Way = "auto"
