"""What gateways share, in this process: as Redis keeps it, by a clock of the test's own."""

from collections.abc import Sequence

from riskstream.platform.adapters.remembered import Row
from riskstream.runtime.clock import ManualClock
from riskstream.runtime.errors import Retryable


class SharedMemory:
    """As `RedisRemembered`. `calls` counts round trips; nothing answers while it `is_away`."""

    def __init__(self, clock: ManualClock, keep_ms: int) -> None:
        self._clock, self._keep_ms = clock, keep_ms
        self._held: dict[bytes, tuple[bytes, int]] = {}
        self._ids: dict[bytes, set[bytes]] = {}
        self.calls, self.is_away = 0, False

    def _at(self, key: bytes) -> bytes | None:
        value, until = self._held.get(key, (b"", 0))
        return value if until > self._clock.now_ms() else None

    def _set(self, key: bytes, value: bytes, ms: int) -> None:
        self._held[key] = value, self._clock.now_ms() + ms

    def _call(self) -> None:
        if self.is_away:
            raise Retryable(what="no answer", where="Redis")
        self.calls += 1

    async def reserve(self, rows: Sequence[Row], pending_ms: Sequence[int]) -> list[bytes | None]:
        self._call()
        out: list[bytes | None] = []
        for row, ms in zip(rows, pending_ms, strict=True):
            name, key, _ = row.stored()
            bound, held = self._at(key) if row.print else None, self._at(name)
            if bound is not None and bound != row.print:
                out.append(b"")
                continue
            if held is None:
                self._set(name, row.mine, ms)
            if row.print and bound is None and (held is None or held[1:9] == row.mine[1:9]):
                self._set(key, row.print, ms if held is None else self._keep_ms)
            out.append(held)
        return out

    async def settle(self, rows: Sequence[Row]) -> None:
        self._call()
        for row in rows:
            name, key, id_key = row.stored()
            held = self._at(name)
            if not row.value:
                if held == row.mine:
                    self._set(name, b"", 0)
                    if row.print and self._at(key) == row.print:
                        self._set(key, b"", 0)
            elif held is None or held == row.mine or held[:1] == b"A":
                self._set(name, row.value, self._keep_ms)
                if row.print:
                    self._set(key, row.print, self._keep_ms)
                if row.id:
                    self._ids.setdefault(id_key, set()).add(row.name)

    async def get(self, name: bytes) -> bytes | None:
        self._call()
        return self._at(Row(name, b"").stored()[0])

    async def with_id(self, id_name: bytes) -> list[bytes]:
        self._call()
        return list(self._ids.get(Row(b"", b"", id=id_name).stored()[2], ()))
