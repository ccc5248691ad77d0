"""Whatever comes in whatever order, first, repeat, kill, expiry, another body: a transaction that
was answered as taken is in Kafka, and while the shared memory is there it is there once.
"""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.gateways import KEEP_MS, Gateways, asked

from riskstream.gateway.once.flight import Flight
from riskstream.gateway.once.known import Known
from riskstream.gateway.problem import Problem

PENDING_MS = 3000


@dataclass
class UnderWay:
    """A request whose transaction Kafka may have: `place` is where."""

    gateway: int
    flight: Flight
    place: tuple[int, int] | None
    until_ms: int


class Histories(RuleBasedStateMachine):
    """Two gateways, two transactions with two bodies, two keys."""

    def __init__(self) -> None:
        super().__init__()
        self.gateways = Gateways(2, is_shared=True)
        self.under_way: list[UnderWay] = []
        self.excused: dict[bytes, int] = {}

    def teardown(self) -> None:
        self.gateways.close()

    @rule(
        at=st.integers(0, 1),
        name=st.sampled_from("ab"),
        amount=st.integers(1, 2),
        key=st.sampled_from([None, "k", "l"]),
        is_sent=st.booleans(),
    )
    def ask(self, at: int, name: str, amount: int, key: str | None, is_sent: bool) -> None:
        ask = asked(key, transaction_id=name, amount_minor=amount)
        try:
            found = self.gateways.run(self.gateways.begin(ask, at))
        except Problem as problem:
            if problem.code not in ("id-reused", "key-reused", "under-way"):
                raise
            return
        if isinstance(found, Known):
            assert found.place is not None
            self._check(found.place, ask.frame)
            return
        place = self.gateways.publish(found) if is_sent else None
        until = self.gateways.clock.now_ms() + PENDING_MS
        self.under_way.append(UnderWay(at, found, place, until))

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 5), is_known=st.booleans())
    def hear(self, which: int, is_known: bool) -> None:
        """Kafka says where a transaction stands, or that it has it not: wrongly, now and then."""
        found = self.under_way.pop(which % len(self.under_way))
        place = found.place if is_known else None
        if found.place is not None and place is None:
            self._excuse(found.flight.ask.name)  # as librdkafka's idempotence may lose track
        if found.until_ms <= self.gateways.clock.now_ms():
            self._excuse(found.flight.ask.name)  # longer than anybody may take

        async def end() -> None:
            found.flight.placed(place)
            if found.flight.stored is not None:
                await found.flight.stored

        self.gateways.run(end())
        if place is not None:
            self._check(place, found.flight.ask.frame)

    @rule(at=st.integers(0, 1))
    def kill(self, at: int) -> None:
        """What it had under way is in Kafka or not, and nobody knows."""
        for each in self.under_way:
            if each.gateway == at and each.place is not None:
                self._excuse(each.flight.ask.name)
        self.under_way = [each for each in self.under_way if each.gateway != at]
        self.gateways.restart(at)

    @rule(ms=st.sampled_from([500, PENDING_MS, KEEP_MS]))
    def wait(self, ms: int) -> None:
        self.gateways.clock.advance(ms)
        if ms == KEEP_MS:
            self.excused.clear()
            self.gateways.published = [(b"", frame) for _, frame in self.gateways.published]
        for each in self.under_way:
            if each.until_ms <= self.gateways.clock.now_ms() and each.place is not None:
                self._excuse(each.flight.ask.name)

    def _excuse(self, name: bytes) -> None:
        self.excused[name] = self.excused.get(name, 0) + 1

    def _check(self, place: tuple[int, int], frame: bytes) -> None:
        assert self.gateways.published[place[1]][1] == frame, "another body is told this place"

    @invariant()
    def is_published_once(self) -> None:
        names = [name for name, _ in self.gateways.published if name]
        for name in set(names):
            assert names.count(name) <= 1 + self.excused.get(name, 0)


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestHistories = Histories.TestCase
