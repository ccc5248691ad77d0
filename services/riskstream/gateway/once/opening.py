"""The memory of transactions, as the settings say."""

from riskstream.gateway.once.memory import Memory
from riskstream.gateway.once.once import Once
from riskstream.gateway.once.shared import Shared
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.clock import Clock


def open_once(settings: GatewaySettings, metrics: GatewayMetrics, clock: Clock) -> Once:
    """A gateway's own, and the one that all share where a Redis is given."""
    keep_ms = settings.remember_s * 1000
    memory = Memory(settings.remember_entries, settings.remember_bytes, keep_ms)
    metrics.remembered.set_function(lambda: len(memory))
    metrics.remembered_bytes.set_function(lambda: memory.size)
    shared = None
    if settings.redis is not None:
        from riskstream.platform.adapters.redis_remembered import RedisRemembered  # if asked for

        store = RedisRemembered(settings.redis.get_secret_value(), keep_ms)
        shared = Shared(store, clock, metrics)
    return Once(memory, clock, shared)
