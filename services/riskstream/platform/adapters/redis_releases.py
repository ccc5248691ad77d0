"""A release channel's newest head in Redis, with the contents in use: a scorer that starts knows
them whatever the topic says.
"""

import redis

from riskstream.platform.adapters.redis_errors import translated
from riskstream.platform.adapters.redis_state import client_of

_CONTENT, _HEAD = b"content:", b"head:"


class RedisReleases:
    """One hash a feature set and signer, shared by all scorers. What is read from it is checked by
    signature like any record.

    No scorer takes a head out of it unless it holds one that says all that the other did.
    """

    def __init__(self, url: str, feature_set: str, signer: str, *, timeout_ms: int = 5000) -> None:
        self._url = url.rsplit("@", 1)[-1]
        self._key = f"{{riskstream.releases.{feature_set}.{signer}}}"
        self._client = client_of(url, timeout_ms)

    def read(self) -> list[bytes]:
        """Records of heads and contents. Retryable where Redis does not answer."""
        try:
            held: dict[bytes, bytes] = self._client.hgetall(self._key)  # type: ignore[assignment]  # the client is not async
        except redis.RedisError as error:
            raise translated(error, self._url) from error
        return list(held.values())

    def keep(self, heads: dict[int, bytes], past: set[int], contents: dict[str, bytes]) -> None:
        """Remember heads by number, but for the past ones, and contents by SHA-256, these alone: an
        empty one stays as it is.
        """
        kept = {_HEAD + str(number).encode(): frame for number, frame in heads.items()}
        kept |= {_CONTENT + name.encode(): frame for name, frame in contents.items()}
        try:
            there: list[bytes] = self._client.hkeys(self._key)  # type: ignore[assignment]  # as above
            gone = [_HEAD + str(number).encode() for number in past]
            gone += [name for name in there if name.startswith(_CONTENT) and name not in kept]
            with self._client.pipeline(transaction=True) as pipe:
                if written := {name: frame for name, frame in kept.items() if frame}:
                    pipe.hset(self._key, mapping=written)  # type: ignore[arg-type]  # its stubs know texts alone
                if gone:
                    pipe.hdel(self._key, *gone)
                pipe.execute()
        except redis.RedisError as error:
            raise translated(error, self._url) from error
