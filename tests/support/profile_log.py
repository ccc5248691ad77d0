"""Events and labels of one terminal, and what a log of profiles makes of them."""

from typing import Any

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.declare import TERMINAL
from riskstream.domain.risk.features.profiles.log import ProfileLog
from riskstream.domain.risk.features.standard import STANDARD_PROFILES
from riskstream.runtime.durations import HOUR_MS

T0 = 1_717_236_000_000 // HOUR_MS * HOUR_MS
NAMES = [each.name for each in STANDARD_PROFILES.profiles[TERMINAL]]


def event(src: int, **changes: Any) -> bytes:
    return codec("profile-event.v1").encode(
        {
            "entity": "terminal",
            "key": "t",
            "kind": "EVENT",
            "src_partition": 0,
            "src": src,
            "src_index": 0,
            "src_appended_at": T0,
            "transaction_hash": src,
            "occurred_at": T0 + src * 60_000,
            "amount_minor": 100,
            "outcome": "UNKNOWN",
            "source": "UNKNOWN",
            "known_at": None,
            **changes,
        }
    )


def label(src: int, of: int, **changes: Any) -> bytes:
    given = {"outcome": "FRAUD", "source": "IMPORT", "known_at": T0 + src, **changes}
    return event(
        src,
        kind="LABEL",
        transaction_hash=of,
        occurred_at=T0 + of * 60_000,
        amount_minor=0,
        **given,
    )


def vector(log: ProfileLog, at: int = T0 + 5 * HOUR_MS, key: bytes = b"t") -> dict[str, float]:
    return dict(zip(NAMES, log.profiles[TERMINAL].read(key, at).tolist(), strict=True))


def taken(*frames: bytes) -> ProfileLog:
    log = ProfileLog(STANDARD_PROFILES)
    assert log.take(frames) == 0
    return log
