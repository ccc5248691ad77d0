"""One episode of fuzzing: random and hostile input through the tables, the scorer's core
and packed trees, by a seed.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from tests.support.builders import NOW_MS, frame, score
from tests.support.customer_state import FIELDS, CustomerState
from tests.support.forests import grown, rows_of
from tests.support.profiles import FEATURES, SHOP
from tests.support.scoring import process

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.columns import ColumnDecoder
from riskstream.domain.contracts.writers import SchemaWait
from riskstream.domain.risk.features.owned.events import Events
from riskstream.domain.risk.features.owned.repeats import Repeats
from riskstream.domain.risk.features.profiles.profile_kernel import ADD, LABEL, READ
from riskstream.domain.risk.features.profiles.table import ProfileTable
from riskstream.domain.risk.features.standard import STANDARD, STANDARD_PROFILES, STANDARD_TILES
from riskstream.domain.risk.tree_paths import NO_TREES
from riskstream.domain.risk.trees.ensemble import EQ, GT, GTE, LEQ, LT, NEQ
from riskstream.domain.risk.trees.packed import FEW, pack
from riskstream.platform.kafka.lanes.ports import (
    LIVE,
    REPLAY,
    REPLAY_DUPLICATE,
    SKIP,
    Batch,
    ReadResult,
)
from riskstream.platform.kafka.record import Record, Records, one_by_one
from riskstream.reporter.core import Snapshot
from riskstream.reporter.states import States
from riskstream.reporter.sums import sums_of
from riskstream.scorer.core import ScorerCore
from riskstream.scorer.policy import Policy
from riskstream.tracker.core import TrackerCore
from riskstream.tracker.outputs import STATE

Random = np.random.Generator
_MAX_BATCH = 64
_ENTITIES = ((SHOP, FEATURES), *STANDARD_PROFILES.profiles.items())


class _Steady:
    """A model that gives each row a score between 0 and 1."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return (np.arange(len(rows), dtype=np.float32) % 100) / np.float32(100)


def profiles(random: Random, counts: Counter[str]) -> None:
    """Events, labels and reads of up to 3,000 keys in batches of 1 to 4,000: in order over many
    tiles, or at any time.
    """
    entity, features = _ENTITIES[int(random.integers(0, len(_ENTITIES)))]
    table = ProfileTable(features, entity.tile_ms, slots=int(random.integers(1, 64)))
    keys, at = int(random.integers(1, 3000)), NOW_MS
    is_rising = random.random() < 0.7
    for _ in range(int(random.integers(1, 60 if is_rising else 12))):
        n = int(random.integers(1, 4000))
        steps = random.choice(np.array([ADD, LABEL, READ], np.uint8), n, p=(0.9, 0.05, 0.05))
        slots = (keys * random.random(n) ** random.integers(1, 4)).astype(np.int32)
        if is_rising:
            times = np.sort(
                at + random.integers(0, entity.tile_ms * int(random.integers(1, 40)), n)
            )
        else:
            span = int(10 ** random.integers(2, 9))
            times = at + random.integers(-span, span, n)
        at = int(times[-1])
        amounts = np.where(steps == LABEL, random.choice([-1, 1], n), random.integers(0, 10**13, n))
        table.take(np.ascontiguousarray(steps), slots, times, amounts)
        table.next_changes(slots[:10])
        taken, there = int(table.arena_used[0]), len(table.tiles)
        if taken > there:
            raise AssertionError(f"the kernel took {taken} tiles of {there}")
        counts["profile_steps"] += n
    again = ProfileTable(features, entity.tile_ms, slots=1)
    held = min(keys, len(table.sizes))
    whole = np.full(held, 2**62)
    tiles, ends = table.tiles_of(np.arange(held), np.zeros(held, np.int64), whole)
    again.load(np.split(tiles, ends[:-1]))
    again.take(
        np.full(keys, ADD, np.uint8),
        np.arange(keys, dtype=np.int32),
        np.full(keys, at),
        np.ones(keys, np.int64),
    )


def repeats(random: Random, counts: Counter[str]) -> None:
    """Ids of up to 50 keys, a few of them busy past the cap: repeats, corrections, other bodies,
    late ones, clocks that jump.
    """
    table, keys = Repeats(int(random.integers(1, 8))), int(random.integers(1, 50))
    table.grow_slots(max(keys, 8))
    names, at, rate = int(10 ** random.uniform(1, 5)), NOW_MS, float(random.choice([0, 0.01, 0.5]))
    for number in range(int(random.integers(2, 40))):
        n = int(random.integers(1, 4000))
        slots = (keys * random.random(n) ** random.integers(1, 6)).astype(np.int32)
        times = at + random.integers(-(10**7), 10**7, n)
        modes = random.choice(
            np.array([LIVE, REPLAY, SKIP, REPLAY_DUPLICATE], np.uint8),
            n,
            p=(0.85, 0.07, 0.04, 0.04),
        )
        corrects = np.where(random.random(n) < rate, _hashes(random, names, n), np.uint64(0))
        events = Events(
            slots=slots,
            times=times,
            ids=_hashes(random, names, n),
            bodies=random.integers(0, 3, n) << 40,
            answers=random.integers(0, 2**32, n),
            offsets=np.arange(n) + n * number,
            modes=modes,
            verdicts=np.zeros(n, np.uint8),
            corrects=corrects,
        )
        told = table.tell(events, np.full(keys, -1, np.int64))
        table.answer(random.permutation(n), slots, told, random.integers(0, 2**32, n))
        taken, there = int(table.used[0]), len(table.entries)
        if taken > there:
            raise AssertionError(f"the kernel took {taken} entries of {there}")
        if random.random() < 0.1:
            table = table.keep(np.arange(keys, dtype=np.int64), keys)
        at += int(10 ** random.uniform(0, 8.5))
        counts["ids"] += n


def _hashes(random: Random, names: int, n: int) -> NDArray[np.uint64]:
    """Hashes of n ids of so many."""
    return random.integers(0, names, n).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def windows(random: Random, counts: Counter[str]) -> None:
    """Micro-batches through the scorer's core: corrections, hostile frames, damaged rows,
    partitions that come and go.
    """
    features = STANDARD if random.random() < 0.6 else STANDARD_TILES
    policy = Policy(model_version="m", review_from=0.5, block_from=0.9, paths=NO_TREES)
    core = ScorerCore(features, _Steady(), policy, _MAX_BATCH, "EUR")
    stored: dict[tuple[int, bytes], bytes] = {}

    def read(keys: dict[int, list[bytes]]) -> ReadResult:
        unreadable = frozenset(partition for partition in keys if random.random() < 0.05)
        rows = {
            p: [_damaged(random, stored.get((p, key))) for key in mine] for p, mine in keys.items()
        }
        return ReadResult(
            rows={p: mine for p, mine in rows.items() if p not in unreadable},
            unreadable=unreadable,
            abandoned=frozenset(),
        )

    customers, at = int(10 ** random.uniform(0, 3.3)), NOW_MS
    for number in range(int(random.integers(5, 60))):
        n = int(random.integers(1, _MAX_BATCH + 1))
        process(core, _batch(random, n, number * _MAX_BATCH, customers, at), read)
        at += int(10 ** random.uniform(0, 8))
        counts["records"] += n
        if random.random() < 0.3:
            for partition in range(4):
                stored |= {(partition, key): row for key, row in core.take_changed(partition)}
        if random.random() < 0.15:
            core.drop(int(random.integers(0, 4)))


def _batch(random: Random, n: int, first: int, customers: int, at: int) -> Batch:
    names = [
        f"c-{int(customers * random.random() ** 2)}" * int(random.choice([1, 1, 1, 40]))
        for _ in range(n)
    ]
    values: list[bytes | None] = [
        frame(
            customer_id=name,
            transaction_id=f"t{int(random.integers(0, 500))}",
            corrects=f"t{int(random.integers(0, 500))}" if random.random() < 0.2 else None,
            base_amount_minor=int(random.integers(0, 10**13)),
            occurred_at=at + int(random.integers(-(10**6), 10**6)),
        )
        for name in names
    ]
    hostile = np.flatnonzero(random.random(n) < 0.1)
    for index in hostile.tolist():
        values[index] = _mutated(random, values[index] or b"")
    keys: list[bytes | None] = [name.encode() if random.random() < 0.97 else None for name in names]
    modes = random.choice(
        np.array([LIVE, REPLAY, SKIP, REPLAY_DUPLICATE], np.uint8), n, p=(0.85, 0.07, 0.04, 0.04)
    )
    # what was answered as good before could be read then: the core waits for such a schema
    modes[hostile] = LIVE
    offsets = np.arange(first, first + n, dtype=np.int64)
    return Batch(
        values=values,
        keys=keys,
        partitions=random.integers(0, 4, n).astype(np.int32),
        offsets=offsets,
        prevs=offsets - 1,
        appended_at=np.full(n, at + 2 * 10**6),
        modes=modes,
        partition_count=4,
    )


def _damaged(random: Random, row: bytes | None) -> bytes | None:
    """A row as it was stored; one in twenty is cut, or has a value of any size in any place."""
    if row is None or random.random() > 0.05:
        return row
    values = np.frombuffer(row[: 8 * int(random.integers(0, len(row) // 8 + 1))], np.int64).copy()
    if len(values):
        values[int(random.integers(0, len(values)))] = int(
            random.choice([-1, 2**62, -(2**63), 255, 10**6, 7])
        )
    return values.tobytes()


def _mutated(random: Random, raw: bytes) -> bytes | None:
    """Bytes flipped, cut, added, or nothing at all."""
    if random.random() < 0.1:
        return None
    out = bytearray(raw)
    for _ in range(int(random.integers(1, 6))):
        at = int(random.integers(0, len(out) + 1))
        kind = int(random.integers(0, 4))
        if kind == 0 and at < len(out):
            out[at] = int(
                random.choice([0x00, 0x01, 0x7F, 0x80, 0xFF, int(random.integers(0, 256))])
            )
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            out[at:at] = random.bytes(int(random.integers(1, 20)))
        else:
            out[at:at] = b"\xff" * int(random.integers(1, 12))
    return bytes(out)


def frames(random: Random, counts: Counter[str]) -> None:
    """Hostile frames of every text, array and union through the columnar decoder."""
    tile = dict.fromkeys(("start_at", *FIELDS), 1)
    risk = CustomerState(customer_id="c-1").record(0) | {"hourly": [tile] * 9, "daily": [tile]}
    goods = {
        "transaction.v1": frame(),
        "score.v1": codec("score.v1").encode(score(reasons=["A", "B"], features=[1.0] * 9)),
        "customer-risk.v1": codec("customer-risk.v1").encode(risk),
    }
    for name, good in goods.items():
        batch = [
            _mutated(random, good) if random.random() < 0.7 else good
            for _ in range(int(random.integers(1, 200)))
        ]
        columns = ColumnDecoder(name).decode(batch)
        for index in np.flatnonzero(columns.status == 0)[:5].tolist():
            columns.record(index)
        if name == "customer-risk.v1":
            columns.rows("hourly")
        counts["frames"] += len(batch)


def trees(random: Random, counts: Counter[str]) -> None:
    """Trees of any modes and up to hundreds of leaves, over rows of any numbers in batches of any
    size.
    """
    columns = int(random.integers(1, 40))
    forest = grown(
        random,
        trees=int(10 ** random.uniform(0, 2.5)),
        leaves=int(10 ** random.uniform(0, 2.5)),
        columns=columns,
        modes=tuple(each for each in (LEQ, LT, GTE, GT, EQ, NEQ) if random.random() < 0.5)
        or (LEQ,),
    )
    packed = pack(forest, columns)
    for size in (1, FEW, FEW + 1, int(random.integers(1, 1000))):
        packed.predict(rows_of(random, size, columns))
        counts["tree_rows"] += size


class _Silent:
    """An observer that forgets."""

    def count(self, name: str, by: int = 1, **labels: str) -> None: ...

    def show(self, name: str, value: float, **labels: str) -> None: ...

    def report(self, event: str, **fields: object) -> None: ...


def states(random: Random, counts: Counter[str]) -> None:
    """Scores of up to 300 customers through the tracker's core: full histories, corrections, late
    ones; then a core that begins with what was written, some of it damaged, and a reporter's tiles
    of that.
    """
    core, written, at = TrackerCore(_Silent()), dict[bytes, bytes | None](), 0
    snapshot = Snapshot()
    reported = States(snapshot, "EUR")
    customers, step_ms = int(random.integers(1, 300)), int(10 ** random.uniform(5, 8.5))
    core.resume(0, None)
    for _ in range(int(random.integers(1, 8))):
        n = int(random.integers(1, 400))
        values = [
            codec("score.v1").encode(
                score(
                    src=at + row,
                    prev=at + row - 1,
                    customer_id=f"c-{int(customers * random.random() ** 3)}",
                    occurred_at=NOW_MS + int((at + row) * random.random() * step_ms),
                    base_amount_minor=int(random.integers(0, 10**13)),
                    decision="REVIEW" if random.random() < 0.1 else "APPROVE",
                    corrected_at=NOW_MS if random.random() < 0.1 else None,
                )
            )
            for row in range(n)
        ]
        taken = _records("scores.v1", at, [(b"c", each) for each in values])
        outputs = list(one_by_one(core.take(0, taken, 0)))
        at += n
        outputs += list(one_by_one(core.flush(0)))
        written |= {each.key: each.value for each in outputs if each.topic == STATE}
        counts["counted_scores"] += n
        if random.random() < 0.3:
            damaged = {
                key: _mutated(random, value or b"") if random.random() < 0.1 else value
                for key, value in written.items()
            }
            core.resume(0, f"last={at - 1}")
            with contextlib.suppress(SchemaWait):  # a damaged id of a schema: some are left out
                core.restore(0, _records(STATE, 0, list(damaged.items())))
            with contextlib.suppress(SchemaWait):
                reported.take(Records.of(_records(STATE, 0, list(damaged.items()))))
            if random.random() < 0.3:
                snapshot.tiles.forget(NOW_MS + int(random.integers(0, at + 1)) * step_ms)
            for history in range(2):
                sums_of(snapshot.tiles, history, int(random.integers(0, NOW_MS)), 2**62)


def _records(topic: str, first: int, rows: Sequence[tuple[bytes, bytes | None]]) -> list[Record]:
    return [
        Record(
            topic=topic,
            partition=0,
            offset=first + at,
            appended_at=NOW_MS,
            key=key,
            value=value,
            headers=[],
        )
        for at, (key, value) in enumerate(rows)
    ]


EPISODES: tuple[Callable[[Random, Counter[str]], None], ...] = (
    profiles,
    windows,
    frames,
    repeats,
    trees,
    states,
)
