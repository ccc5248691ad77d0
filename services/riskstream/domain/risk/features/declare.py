"""The vocabulary in which features are declared: entity, aggregate, window, delay, default,
reason.
"""

import itertools
from dataclasses import dataclass
from enum import IntEnum

from riskstream.runtime.durations import DAY_MS, HOUR_MS, MINUTE_MS

LABEL_DELAY_MS = 7 * DAY_MS
"""A label is known so long after its transaction, where a file does not say when."""


class Aggregate(IntEnum):
    """What is computed over the entity's events in (t - delay - window, t - delay].

    Of an owned entity t is the event's own time. An event with the same time that stands earlier in
    the log is inside; the event itself is inside, but for OVER_MEAN (amount over the mean of the
    others) and SINCE_LAST (seconds since the event before). Of a profile t is the end of the last
    closed tile, and the event itself is not inside: see `Entity`. FRAUDS and FRAUD_RATE (a share)
    go by the labels known at that point of the log; only profiles have them.
    """

    COUNT = 0
    SUM = 1
    MEAN = 2
    OVER_MEAN = 3
    SINCE_LAST = 4
    FRAUDS = 5
    FRAUD_RATE = 6


class Input(IntEnum):
    """What is read from the transaction itself. Amounts are in minor units of the base currency."""

    AMOUNT = 0
    HOUR = 1
    WEEKDAY = 2
    KIND = 3
    CHANNEL = 4
    MCC = 5
    WEEKEND = 6
    NIGHT = 7


class Kind(IntEnum):
    """What a transaction moves: indices of the contract's enum Kind."""

    UNKNOWN = 0
    PURCHASE = 1
    REFUND = 2
    CASH = 3
    TRANSFER = 4


EVERY_KIND = frozenset(Kind)
SPENDING = EVERY_KIND - {Kind.REFUND}
"""What a customer spends. A refund neither raises it nor lowers it: else spending could be hidden
behind refunds.
"""


def bits_of(kinds: frozenset[Kind]) -> int:
    """A bit for each kind, as the kernels read them."""
    return sum(1 << kind for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What events are grouped by: the field `key` of the transaction.

    Owned (tile_ms 0): the partition key, whose state the scorer itself holds, exact to the event.
    Else a profile, kept by the profiler in tiles: tile n holds ((n - 1) tile_ms, n tile_ms] and is
    closed at its end.
    """

    name: str
    key: str
    tile_ms: int = 0

    @property
    def is_owned(self) -> bool:
        return self.tile_ms == 0


CUSTOMER = Entity(name="customer", key="customer_id")
TERMINAL = Entity(name="terminal", key="terminal_id", tile_ms=HOUR_MS)
DEVICE = Entity(name="device", key="device_id", tile_ms=HOUR_MS)
CARD = Entity(name="card", key="customer_id", tile_ms=HOUR_MS)
"""The customer again, as a profile: what labels say of it. The owned state never depends on
labels.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One declared feature. `window_ms` is 0 for SINCE_LAST. `reason` is the code of
    docs/reasons.md it explains.

    `kinds`: transactions of which kinds are counted. SINCE_LAST and labels go by every kind; all
    other features of one entity in a set count the same kinds. `default` is the value where there
    is nothing to compute from. Windows and delays of a profile are whole tiles.
    """

    name: str
    entity: Entity
    aggregate: Aggregate
    window_ms: int
    reason: str
    default: float = float("nan")
    delay_ms: int = 0
    kinds: frozenset[Kind] = EVERY_KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFeature:
    """One value of the transaction that the model sees; `reason` as in Feature, empty where it
    explains nothing.
    """

    name: str
    input: Input
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """An ordered set: first the inputs, then the owned features, then profiles. `label` names it in
    every score.

    Windows are exact, or `tiles_ms` gives the width of a tile of each, shortest window first: whole
    minutes, each a multiple of the one before. Raises ValueError where they are not.
    """

    name: str
    version: int
    inputs: tuple[InputFeature, ...]
    features: tuple[Feature, ...]
    tiles_ms: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        steps = (MINUTE_MS, *self.tiles_ms)
        nests = all(wide % narrow == 0 for narrow, wide in itertools.pairwise(steps))
        fits = len(self.tiles_ms) == len(self.windows_ms) <= 7
        if self.tiles_ms and not (
            nests
            and fits
            and sum(w // t + 2 for w, t in zip(self.windows_ms, self.tiles_ms, strict=True)) <= 256
        ):
            raise ValueError(
                f"{self.name}: a tile width a window (7 at most), each a multiple of the "
                "one before, 256 tiles in all"
            )
        for before, each in itertools.pairwise(self.features):
            if each.entity.is_owned and not before.entity.is_owned:
                raise ValueError(
                    f"{self.name}: {each.name} is owned and must stand before {before.name}"
                )
        for each in self.features:
            if why := _wrong(each):
                raise ValueError(f"{self.name}: {each.name} {why}")
            if each.aggregate is not Aggregate.SINCE_LAST and each.kinds != self.kinds_of(
                each.entity
            ):
                raise ValueError(
                    f"{self.name}: {each.name} counts other kinds than another feature of "
                    f"{each.entity.name}"
                )

    @property
    def label(self) -> str:
        return f"{self.name}.v{self.version}"

    @property
    def names(self) -> tuple[str, ...]:
        return (*(each.name for each in self.inputs), *(each.name for each in self.features))

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*(each.reason for each in self.inputs), *(each.reason for each in self.features))

    @property
    def owned(self) -> tuple[Feature, ...]:
        """Features of the partition key's own state."""
        return tuple(each for each in self.features if each.entity.is_owned)

    @property
    def profiles(self) -> dict[Entity, tuple[Feature, ...]]:
        """Features of each other entity, in the order of the entities' first."""
        entities = dict.fromkeys(each.entity for each in self.features if not each.entity.is_owned)
        return {
            entity: tuple(each for each in self.features if each.entity == entity)
            for entity in entities
        }

    def kinds_of(self, entity: Entity) -> frozenset[Kind]:
        """The kinds of transactions that the windows of an entity count."""
        mine = (
            each
            for each in self.features
            if each.entity == entity and each.aggregate is not Aggregate.SINCE_LAST
        )
        return next((each.kinds for each in mine), EVERY_KIND)

    @property
    def counted(self) -> frozenset[Kind]:
        """The kinds that the windows of the partition key count."""
        owned = (each.entity for each in self.features if each.entity.is_owned)
        return self.kinds_of(next(owned)) if self.owned else EVERY_KIND

    @property
    def windows_ms(self) -> tuple[int, ...]:
        """Distinct windows of the owned features, shortest first."""
        return tuple(sorted({each.window_ms for each in self.owned if each.window_ms}))


def _wrong(feature: Feature) -> str:
    """What is wrong with a declaration, or nothing."""
    labelled = feature.aggregate in (Aggregate.FRAUDS, Aggregate.FRAUD_RATE)
    single = feature.aggregate in (Aggregate.OVER_MEAN, Aggregate.SINCE_LAST)
    if (feature.aggregate is Aggregate.SINCE_LAST) != (feature.window_ms == 0):
        return "has no window, which only SINCE_LAST has not"
    if feature.entity.is_owned:
        if labelled:
            return "goes by labels, which owned state must not depend on"
        return "has a delay, which only profiles have" if feature.delay_ms else ""
    if single:
        return f"is {feature.aggregate.name}, which only owned features are"
    if feature.window_ms % feature.entity.tile_ms or feature.delay_ms % feature.entity.tile_ms:
        return f"has a window or delay that is not whole tiles of {feature.entity.tile_ms} ms"
    return ""
