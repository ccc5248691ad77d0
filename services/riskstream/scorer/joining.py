"""What a scorer proves of its state before it joins a group that runs: that it is made where the
group works with another set's.
"""

import structlog

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.redis_home import RedisHome, prove_made, state_home
from riskstream.platform.adapters.redis_state import RedisStateStore
from riskstream.platform.kafka.clients.admin import TopicAdmin
from riskstream.runtime.errors import Retryable
from riskstream.scorer.settings import ScorerSettings

log = structlog.get_logger("joining")


def prove_state_is_made(
    home: RedisHome,
    settings: ScorerSettings,
    kind: str,
    features: FeatureSet,
    admin: TopicAdmin,
    store: RedisStateStore,
) -> None:
    """Fatal where the group runs with another feature set, and nobody has made the state of this
    one yet.
    """
    url, partition_count = settings.redis.get_secret_value(), admin.partitions()[settings.source]
    spaces = [
        f"{settings.group}.{kind}{each.label}"
        for each in SETS.values()
        if each.label != features.label
    ]
    others = [state_home(url, space, partition_count) for space in spaces]
    try:
        is_made = any(store.mark(number) is not None for number in range(partition_count))
        do = (
            f"run `riskstream rebuild --features {features.name} --group {settings.group}` "
            "first, then start this scorer"
        )
        prove_made(home, others, admin, settings.group, do, is_made=is_made)
    except Retryable as error:  # the proof of the Redis itself waits for it, and says so
        log.warning("cannot tell yet whether the state was rebuilt", why=str(error))
    finally:
        for each in others:
            each.close()
