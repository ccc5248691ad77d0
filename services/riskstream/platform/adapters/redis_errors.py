"""What an error of Redis means: the world's, which passes or which an operator ends while we go on;
or a fault of ours.
"""

import re

import redis

from riskstream.runtime.errors import Fatal, Retryable

WORLD: dict[str, str] = {
    "MISCONF": "it cannot save to its disk: look at its disk and log",
    "NOREPLICAS": "too few replicas are in sync for a write: look at them",
    "OOM": "its memory is full: raise maxmemory",
    "READONLY": "it is a replica now: a failover is under way, or the address is a replica's",
    "LOADING": "it loads its data after a start",
    "CLUSTERDOWN": "its cluster has no owner for a slot",
    "MASTERDOWN": "its primary cannot be reached",
    "TRYAGAIN": "its cluster moves a slot",
    "MOVED": "its cluster moved the slot: give the address of one primary, no cluster",
    "ASK": "its cluster moves the slot: give the address of one primary, no cluster",
    "BUSY": "a script of another client runs",
    "UNKILLABLE": "a script of another client runs",
    "NOSCRIPT": "its scripts were flushed",
    "EXECABORT": "it gave a transaction up",
    "WRONGPASS": "it wants a password, or another one: look at the URL",
    "NOPERM": "its user may not do this: look at its ACL",
}
"""By error code what it means. A password that was changed is here as well: a scorer that runs goes
on, flagged, until it is corrected; at the start it is told from the others by whoever checks.
"""

_CODE = re.compile(rf"(?:^|[-\s])({'|'.join(WORLD)})\b")
_BY_CLASS: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.MasterDownError, "MASTERDOWN"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
    (redis.exceptions.TryAgainError, "TRYAGAIN"),
    (redis.exceptions.MovedError, "MOVED"),
    (redis.exceptions.AskError, "ASK"),
    (redis.exceptions.NoScriptError, "NOSCRIPT"),
    (redis.exceptions.ExecAbortError, "EXECABORT"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.AuthenticationError, "WRONGPASS"),
)
"""The client takes the code off the texts of these."""


def code_of(error: redis.RedisError) -> str:
    """The error's code of WORLD, also where a script met it; empty where it has none of them."""
    if found := _CODE.search(str(error)):
        return found[1]
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), "")


def translated(error: redis.RedisError, where: str) -> Retryable | Fatal:
    """Retryable where the world is at fault, or nothing came back; Fatal where waiting does not
    help: a broken script or key.
    """
    if code := code_of(error):
        return Retryable(what=f"Redis refuses, {WORLD[code]}: {code} {error}", where=where)
    if isinstance(error, redis.ResponseError):
        return Fatal(
            what=f"Redis cannot do what we ask: {error}",
            where=where,
            do="check its version, and whether another program writes our keys",
        )
    return Retryable(what=f"Redis does not answer: {error}", where=where)
