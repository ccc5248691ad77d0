"""What the memory of transactions needs of a store that gateways share."""

from collections.abc import Sequence
from typing import Protocol

from riskstream.platform.adapters.remembered import Row


class Remembered(Protocol):
    """As `RedisRemembered`. Raises Retryable or Fatal."""

    async def reserve(
        self, rows: Sequence[Row], pending_ms: Sequence[int]
    ) -> list[bytes | None]: ...

    async def settle(self, rows: Sequence[Row]) -> None: ...

    async def get(self, name: bytes) -> bytes | None: ...

    async def with_id(self, id_name: bytes) -> list[bytes]: ...
