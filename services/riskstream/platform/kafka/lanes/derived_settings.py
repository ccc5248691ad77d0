"""What a derived lane is told."""

from dataclasses import dataclass

from riskstream.platform.kafka.clients.native.choice import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSettings:
    """What a derived lane is told. State is written at most each `flush_ms`, everything else each
    `commit_ms`, less often where the lane is far behind (`derived_pace.py`).
    """

    kafka: str
    group: str
    source: str
    instance: str
    commit_ms: int = 200
    flush_ms: int = 1000
    group_protocol: str = "consumer"
    session_timeout_ms: int = 6000
    client: Way = "auto"
    reads_ahead: bool = False
    """Whether state topics are read while the process waits for partitions."""
