"""Transactions that are under way in this gateway: who has one ends it, others wait for that."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from riskstream.gateway.once.identity import digest, id_of, near
from riskstream.gateway.once.known import Known
from riskstream.platform.adapters.remembered import Row

Place = tuple[int, int]


@dataclass(slots=True, eq=False)
class Ask:
    """A request: by which names, with which body (hash). `key` is the name of its Idempotency-Key,
    `print` what that stands for; `pending_ms` how long its owner has at most.
    """

    name: bytes
    frame: bytes
    is_decision: bool
    pending_ms: int
    key: bytes | None = None
    body: int = 0
    print: int = 0
    flight: "Flight | None" = None

    def row(self, mine: bytes, value: bytes = b"") -> Row:
        """As it is shared."""
        keyed = (
            (b"", b"")
            if self.key is None
            else (digest(self.key), self.print.to_bytes(8, "big", signed=True))
        )
        id_name = digest(id_of(self.name)) if value[:1] == b"D" else b""
        return Row(digest(self.name), mine, *keyed, id_name, value)


@dataclass(slots=True, eq=False)
class Flight:
    """One transaction under way. Its owner says `placed`, and of a decision `tell`; it ends when
    all that it waits for is there. `on_end` is told what is known then, None where Kafka did not
    take it; what it returns is done when others know it too.
    """

    ask: Ask
    mine: bytes
    on_end: Callable[["Flight", Known | None], "asyncio.Future[None] | None"]
    future: "asyncio.Future[None]"
    is_mine: bool = True
    is_shared: bool = False
    place: Place | None = None
    told: bytes | None = None
    stored: "asyncio.Future[None] | None" = None
    _waits_for_told: bool = field(default=False)
    _is_placed: bool = False
    _is_sent: bool = False

    def __post_init__(self) -> None:
        self._waits_for_told = self.ask.is_decision

    @property
    def name(self) -> int:
        return near(self.ask.name)

    def body_of(self, _: int) -> int:
        """Hash of the body of the transaction with that name."""
        return self.ask.body

    def sent(self) -> None:
        """Kafka will say where it stands."""
        self._is_sent = True

    def placed(self, place: Place | None) -> None:
        """Kafka has it there, or did not take it."""
        self.place, self._is_placed = place, True
        if not self._waits_for_told:
            self._end()

    def tell(self, told: bytes) -> "asyncio.Future[None] | None":
        """Its caller is told this decision; what is returned is done when other gateways know."""
        self.told, self._waits_for_told = told, False
        if self._is_placed:
            self._end()
        return self.stored

    def leave(self) -> None:
        """Its owner is gone, and told nobody anything: only what Kafka says counts now."""
        if self.future.done() or not self._waits_for_told:
            return
        self._waits_for_told = False
        if self._is_placed or not self._is_sent:
            self._end()

    def drop(self) -> None:
        """It was not sent: the next one may."""
        if not self.future.done():
            self.place = None
            self._end()

    def _end(self) -> None:
        if self.future.done():
            return
        known = Known(self.ask.body, self.place, self.told) if self.place else None
        self.stored = self.on_end(self, known)
        self.future.set_result(None)


@dataclass(slots=True, eq=False)
class Flock:
    """Transactions of one body that are under way; as `Flight` to who waits for one of them."""

    names: list[int]
    bodies: list[int]
    future: "asyncio.Future[None]"
    told: bytes | None = None

    def body_of(self, name: int) -> int:
        """Hash of the body of the transaction with that name."""
        return self.bodies[self.names.index(name)]
