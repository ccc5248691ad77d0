"""The lane's protocol as an explicit-state model: every interleaving of two owners of one partition
is walked.

The letters are those of docs/protocol.md: s the store's watermark, e where in the output to look, o
outputs known up to here, h the highest watermark seen. A record's features are modelled as the set
of its key's records before it, a bit each, so that a missed or doubled one is seen. Events: assign,
read the tail, take a record, deliver an output, copy rows, write them, evict a row; and once each:
replicate and fail over the store, an exception in an owner between a record's row and its output, a
snapshot of the store, the loss of one of its fields (its watermark goes with it), and the loss of
everything in it while retention takes the head of the source (and of the output: all of it, or
nothing). A store that cannot be reached (W) is not in the model: the simulation has it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple


class Rule(Enum):
    """A rule of the protocol that a test takes away; the value says what it is."""

    COMPARE = "C2: a stored watermark at or past t is left alone"
    HIGH = "I6: the owner keeps the highest watermark it saw in any answer"
    REFUSE_WRITE = "I6: a checkpoint is refused by a store that went back"
    REFUSE_READ = "I6: a row from a store that went back is not taken"
    ROW_AT = "B3: a row's own offset tells whether a record is in it"
    ACKED = "I5: nothing is written past what is acked"
    EVICT_CLEAN = "C3: only unchanged rows are evicted"
    OTHER_READ = "I6: a row of another state than the owner's own is not taken"
    OTHER_WRITE = "I6: a checkpoint is refused by a store that holds another state"
    FLAG = "A2: what is scored from a state that is not whole says so"
    ROWS_TO = "A2: rows of a snapshot past its watermark were answered"
    JOINS = (
        "A2: a snapshot that does not join up with the source's head does not make a state whole"
    )
    NOTHING_AFTER = "I5: nothing is checkpointed on the way out after an exception"
    MARKED = "B2: a row without a watermark counts as missing"


class Row(NamedTuple):
    """A key's state: the records folded in (a bit each, a second bit when doubled) and the last
    offset applied.
    """

    records: int
    at: int


class Store(NamedTuple):
    """The store of one partition: watermark, where in the output to look, a row a key.

    `is_partial`: records before the source's head are missing. `rows_to`: rows may be past the
    watermark, up to here.
    """

    s: int
    e: int
    rows: tuple[Row, ...]
    is_partial: bool = False
    rows_to: int = -1


class Output(NamedTuple):
    """One record of the output: its source offset, the features it was scored with, and whether it
    says they are partial.
    """

    src: int
    features: int
    is_flagged: bool = False


class Copied(NamedTuple):
    """Rows copied at a batch edge (C1)."""

    t: int
    e: int
    rows: tuple[tuple[int, Row], ...]


class Owner(NamedTuple):
    """An owner; `phase` 0 is not assigned, 1 reads the tail, 2 takes records. `in_flight`:
    produced, not delivered.
    """

    phase: int = 0
    high: int = -1
    e: int = 0
    o: int = -1
    position: int = 0
    rows: tuple[Row | None, ...] = ()
    changed: int = 0
    in_flight: tuple[Output, ...] = ()
    acked: int = -1
    copied: Copied | None = None
    is_partial: bool = False


class State(NamedTuple):
    """Everything: two owners, the store and its replica, what already happened to it, and the
    output.

    `head`: the source's first record that is left, `tail`: the output's. `being_taken`: a snapshot
    whose watermark was read and whose rows were not.
    """

    owners: tuple[Owner, Owner]
    store: Store
    replica: Store
    failovers: int
    replications: int
    output: tuple[Output, ...]
    raised: int = 0
    head: int = 0
    tail: int = 0
    snapshot: Store | None = None
    being_taken: Store | None = None
    is_unmarked: bool = False


class Broken(Exception):
    """An invariant does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a walk ended: states seen, and where one is broken what broke and the shortest schedule
    to it.
    """

    states: int
    broken: str = ""
    schedule: tuple[str, ...] = ()


class Protocol:
    """The model for some source records, whose keys are given, without the rules in `without`."""

    def __init__(
        self,
        keys: tuple[int, ...],
        without: frozenset[Rule] = frozenset(),
        *,
        fails_over: bool = True,
        raises: bool = False,
        loses_before: int = 0,
        has_snapshots: bool = False,
        forgets: bool = False,
        loses_a_field: bool = False,
    ) -> None:
        """`loses_before`: the store is lost once, and records before this one expire; `forgets`:
        all answers expire as well. `loses_a_field`: once the store loses a row, and so its
        watermark; its copy is empty.
        """
        self.keys, self.without, self.fails_over, self.raises = keys, without, fails_over, raises
        self.loses_before, self.has_snapshots, self.forgets = loses_before, has_snapshots, forgets
        self.loses_a_field = loses_a_field
        self.n = len(keys)
        self.key_count = max(keys) + 1

    def has(self, rule: Rule) -> bool:
        return rule not in self.without

    def before(self, key: int, offset: int) -> int:
        """F: the records of a key up to and with an offset, a bit each."""
        return sum(1 << i for i in range(self.n) if self.keys[i] == key and i <= offset)

    @property
    def expired(self) -> int:
        """The records that expire, a bit each."""
        return (1 << self.loses_before) - 1

    def may_be(self, records: int, key: int, offset: int, *, is_partial: bool) -> bool:
        """True where records are those of a key up to an offset, but for expired ones where that is
        said.
        """
        wanted = self.before(key, offset)
        return records | (wanted & self.expired) == wanted if is_partial else records == wanted

    def start(self) -> State:
        store = Store(-1, 0, (Row(0, -1),) * self.key_count)
        owner = Owner(rows=(None,) * self.key_count)
        return State((owner, owner), store, store, 0, 0, ())

    def walk(self, most: int = 2_000_000) -> Result:
        """Every reachable state, breadth first, so that a schedule that breaks one is the
        shortest.
        """
        first = self.start()
        came: dict[State, tuple[State, str] | None] = {first: None}
        queue = deque([first])
        while queue:
            state = queue.popleft()
            try:
                for name, after in self.steps(state):
                    if after in came:
                        continue
                    came[after] = (state, name)
                    self.check(after)
                    queue.append(after)
            except Broken as broken:
                last = state if "ahead" in str(broken) else after
                return Result(states=len(came), broken=str(broken), schedule=_schedule(came, last))
            assert len(came) <= most, f"more than {most} states"
        return Result(states=len(came))

    # Invariants
    # ----------------------------------------------------------------------------------------------

    def check(self, state: State) -> None:
        """What readers accept has the features of exactly the records before; the store never
        misses or doubles one.
        """
        last = -1
        for src, features, is_flagged in state.output:
            if src > last:  # the reader's rule (I4)
                if src != last + 1:
                    raise Broken(f"lost: a reader goes from {last} to {src}")
                if not self.may_be(features, self.keys[src], src - 1, is_partial=is_flagged):
                    raise Broken(f"features of accepted {src} are {features:b}")
                last = src
        is_partial = state.store.is_partial
        for key, row in enumerate(state.store.rows):
            if not self.may_be(row.records, key, row.at, is_partial=is_partial):
                raise Broken(f"store: key {key} holds {row.records:b} at {row.at}")
            needed = self.before(key, state.store.s) & ~(self.expired if is_partial else 0)
            if row.records & needed != needed:
                raise Broken(f"store: key {key} misses records up to s={state.store.s}")

    # Steps
    # ----------------------------------------------------------------------------------------------

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Every step that may come next."""
        for index in (0, 1):
            for name, owner, changes in self.owner_steps(state, index):
                owners = (owner, state.owners[1]) if index == 0 else (state.owners[0], owner)
                yield f"{name} {index}", state._replace(owners=owners, **changes)
        yield from self.losses(state)
        yield from self.lost_fields(state)
        if self.fails_over:
            copies = state.replications < 1 and not self.loses_a_field
            if copies and state.replica != state.store:
                yield "replicate", state._replace(replica=state.store, replications=1)
            if state.failovers < 1 and state.replica != state.store:
                yield "fail over", state._replace(store=state.replica, failovers=1)

    def losses(self, state: State) -> Iterator[tuple[str, State]]:
        """A snapshot, its watermark before its rows; the loss of the store once all that expires
        was answered.
        """
        if self.has_snapshots and state.snapshot is None and not state.head:
            if state.being_taken is None and state.store.s >= 0:
                yield "begin a snapshot", state._replace(being_taken=state.store)
            elif state.being_taken is not None:
                taken = state.being_taken._replace(rows=state.store.rows, rows_to=state.store.s)
                yield "end a snapshot", state._replace(snapshot=taken)
        is_answered = self.loses_before - 1 in {each.src for each in state.output}
        if self.loses_before and not state.head and state.store.s >= 0 and is_answered:
            tail = len(state.output) if self.forgets else 0
            yield (
                "lose",
                state._replace(store=self.start().store, head=self.loses_before, tail=tail),
            )

    def lost_fields(self, state: State) -> Iterator[tuple[str, State]]:
        """A row is lost; the store counts its fields, so the watermark is lost with it."""
        if not self.loses_a_field or state.is_unmarked or state.store.s < 0:
            return
        left = state.store._replace(
            s=-1,
            e=0,
            rows=_set_stored(state.store.rows, self.key_count - 1, Row(0, -1)),
            rows_to=max(state.store.s, state.store.rows_to),
        )
        yield "lose the last row", state._replace(store=left, is_unmarked=True)

    def owner_steps(self, state: State, index: int) -> Iterator[tuple[str, Owner, dict[str, Any]]]:
        """(name, the owner after it, what else changes) of each step of one owner."""
        me = state.owners[index]
        if me.in_flight:
            first = me.in_flight[0]
            after = me._replace(in_flight=me.in_flight[1:], acked=max(me.acked, first.src))
            yield "deliver", after, {"output": (*state.output, first)}
        if me.phase == 0:
            if index == 0 or state.owners[0].phase != 0:
                yield self.assign(state, me)
            return
        if me.phase == 1:
            yield "read tail", self.tail_read(state, me), {}
            return
        if me.position < self.n:
            yield from self.take(state, me)
            if self.raises and not state.raised:
                yield from self.raise_within(state, me)
        is_acked = me.acked >= me.position - 1 or not self.has(Rule.ACKED)
        if me.copied is None and me.changed and is_acked:
            yield "copy", self.copy(state, me), {}
        if me.copied is not None:
            yield self.write(state, me)
        yield from self.evict(state, me)

    def assign(self, state: State, me: Owner) -> tuple[str, Owner, dict[str, Any]]:
        """A1-A2: where the state is lost it is restored, or begun at the head, and the store is
        told before all else.
        """
        store = state.store
        if store.s + 1 >= state.head:
            return "assign", self.opened(store, me.in_flight), {}
        kept = state.snapshot
        if kept is not None and kept.s > store.s:
            store = kept
        is_gapless = store.s + 1 >= state.head or (store is kept and not self.has(Rule.JOINS))
        if not is_gapless:
            store = store._replace(s=state.head - 1, is_partial=True)
        name = "assign and restore" if store is kept else "assign and begin"
        return name, self.opened(store, me.in_flight, state.head), {"store": store}

    def opened(self, store: Store, in_flight: tuple[Output, ...], head: int = 0) -> Owner:
        """What was in flight of a former life still is; memory is empty."""
        rows: tuple[Row | None, ...] = (None,) * self.key_count
        return Owner(
            phase=1,
            high=store.s,
            e=store.e,
            position=max(head, store.s + 1),
            rows=rows,
            in_flight=in_flight,
            is_partial=store.is_partial,
            acked=store.rows_to if self.has(Rule.ROWS_TO) and store.s >= 0 else -1,
        )

    def tail_read(self, state: State, me: Owner) -> Owner:
        """A4-A5: outputs are known up to the highest source offset in the tail, and up to rows that
        were restored.
        """
        o = max([me.high, me.acked, *(out.src for out in state.output[max(me.e, state.tail) :])])
        return me._replace(phase=2, o=o, acked=o)

    def take(self, state: State, me: Owner) -> Iterator[tuple[str, Owner, dict[str, Any]]]:
        """B2-B3 for the next record: read its row if it is not in memory, then apply it silently or
        live.
        """
        offset = me.position
        key = self.keys[offset]
        row = me.rows[key]
        high = me.high
        if row is None:
            is_other = state.store.is_partial != me.is_partial and self.has(Rule.OTHER_READ)
            if (state.store.s < high and self.has(Rule.REFUSE_READ)) or is_other:
                name, owner, changes = self.assign(state, me)
                yield f"store went back at read, {name}", owner, changes
                return
            is_marked = state.store.s >= 0 or not self.has(Rule.MARKED)
            row = state.store.rows[key] if is_marked else Row(0, -1)
            if self.has(Rule.HIGH):
                high = max(high, state.store.s)
        me = me._replace(high=high)
        if row.at >= offset and offset > me.o and self.has(Rule.ROW_AT):
            o = max(me.o, high)
            if state.is_unmarked and o < offset <= state.store.rows_to:  # it was there before
                name, owner, changes = self.assign(state, me)
                yield f"a row is ahead, {name}", owner, changes
                return
            if o < offset:
                raise Broken("the store is ahead of the output")
            yield (
                "another owner is ahead",
                me._replace(o=o, acked=max(me.acked, o), rows=_set(me.rows, key, row)),
                {},
            )
            return
        me = me._replace(position=offset + 1)
        if offset <= me.o and row.at >= offset and self.has(Rule.ROW_AT):
            yield "skip", me._replace(rows=_set(me.rows, key, row)), {}
            return
        doubled = (row.records >> offset) & 1
        applied = Row(row.records | 1 << (offset + self.n if doubled else offset), offset)
        after = me._replace(rows=_set(me.rows, key, applied), changed=me.changed | 1 << key)
        if offset <= me.o:
            yield "replay", after, {}
        else:
            is_flagged = me.is_partial and self.has(Rule.FLAG)
            yield (
                "live",
                after._replace(in_flight=(*me.in_flight, Output(offset, row.records, is_flagged))),
                {},
            )

    def raise_within(self, state: State, me: Owner) -> Iterator[tuple[str, Owner, dict[str, Any]]]:
        """An exception after a record's row is applied and before its output is produced; the owner
        ends.

        Its way out must not checkpoint: the rows are past the position, so they would stand above
        the watermark.
        """
        for name, after, _ in self.take(state, me):
            if name != "live":
                continue
            gone = Owner(rows=(None,) * self.key_count, in_flight=me.in_flight)
            if self.has(Rule.NOTHING_AFTER) or me.acked < me.position - 1:
                yield "raise", gone, {"raised": 1}
                continue
            _, _, changes = self.write(
                state, self.copy(state, after._replace(position=me.position, copied=None))
            )
            yield "raise and checkpoint", gone, {"raised": 1, **changes}

    def copy(self, state: State, me: Owner) -> Owner:
        """C1: the changed rows at a batch edge; e is behind every output delivered so far."""
        rows = tuple(
            (key, row)
            for key, row in enumerate(me.rows)
            if me.changed >> key & 1 and row is not None
        )
        return me._replace(changed=0, copied=Copied(me.position - 1, len(state.output), rows))

    def write(self, state: State, me: Owner) -> tuple[str, Owner, dict[str, Any]]:
        """C2: one script compares, then writes rows and watermark."""
        assert me.copied is not None
        t, e, copied = me.copied
        is_other = (
            state.store.is_partial != me.is_partial
            and state.store.s >= 0
            and self.has(Rule.OTHER_WRITE)
        )
        if (state.store.s < me.high and self.has(Rule.REFUSE_WRITE)) or is_other:
            name, owner, changes = self.assign(state, me)
            return f"store went back at write, {name}", owner, changes
        if state.store.s >= t and self.has(Rule.COMPARE):
            return "already written", me._replace(copied=None, high=max(me.high, state.store.s)), {}
        rows = state.store.rows
        for key, row in copied:
            rows = _set_stored(rows, key, row)
        return (
            "write",
            me._replace(copied=None, high=max(t, me.high)),
            {"store": Store(t, e, rows, me.is_partial, state.store.rows_to)},
        )

    def evict(self, state: State, me: Owner) -> Iterator[tuple[str, Owner, dict[str, Any]]]:
        """C3: forget a row; without the rule a changed one is written by itself first."""
        busy = {key for key, _ in me.copied.rows} if me.copied else set()
        for key, row in enumerate(me.rows):
            if row is None or key in busy:
                continue
            gone = me._replace(rows=_set(me.rows, key, None))
            if not me.changed >> key & 1:
                yield f"evict {key}", gone, {}
            elif not self.has(Rule.EVICT_CLEAN):
                stored = _set_stored(state.store.rows, key, row)
                yield (
                    f"evict changed {key}",
                    gone._replace(changed=me.changed & ~(1 << key)),
                    {"store": state.store._replace(rows=stored)},
                )


def _set(rows: tuple[Row | None, ...], key: int, row: Row | None) -> tuple[Row | None, ...]:
    return (*rows[:key], row, *rows[key + 1 :])


def _set_stored(rows: tuple[Row, ...], key: int, row: Row) -> tuple[Row, ...]:
    return (*rows[:key], row, *rows[key + 1 :])


def _schedule(came: dict[State, tuple[State, str] | None], last: State) -> tuple[str, ...]:
    names = []
    at = came[last]
    while at is not None:
        names.append(at[1])
        at = came[at[0]]
    return tuple(reversed(names))
