"""Kafka in memory: one log with its groups and transactions, for as many clients of one process as
there are.

`MemoryKafka` makes consumers, producers and admin clients that answer as librdkafka's do, for what
our lanes ask. One thing happens at a time: clients share the thread of whoever calls, and only
`runtime.machine.sleep` lets others go on.
"""

from riskstream.platform.kafka.memory.clients import MemoryKafka
from riskstream.platform.kafka.memory.network import Network

__all__ = ["MemoryKafka", "Network"]
