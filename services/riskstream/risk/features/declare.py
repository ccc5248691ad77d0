"""The vocabulary in which features are declared: entity, aggregate, window, delay, default, reason."""

import itertools
from dataclasses import dataclass
from enum import IntEnum

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Aggregate(IntEnum):
    """What is computed over the entity's events in (t - window, t], t being the event's own time.

    An event with the same time that stands earlier in the log is inside; the event itself is inside, but for
    OVER_MEAN (amount over the mean of the others) and SINCE_LAST (seconds since the event before).
    """

    COUNT = 0
    SUM = 1
    MEAN = 2
    OVER_MEAN = 3
    SINCE_LAST = 4


class Input(IntEnum):
    """What is read from the transaction itself. Amounts are in minor units of the base currency."""

    AMOUNT = 0
    HOUR = 1
    WEEKDAY = 2
    KIND = 3
    CHANNEL = 4
    MCC = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One declared feature. `window_ms` is 0 for SINCE_LAST. `reason` is the code of docs/reasons.md it explains."""

    name: str
    entity: str
    aggregate: Aggregate
    window_ms: int
    reason: str
    default: float = float("nan")
    delay_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFeature:
    """One value of the transaction that the model sees; `reason` as in Feature, empty where it explains nothing."""

    name: str
    input: Input
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """An ordered set: first the inputs, then the features. `label` names it in every score.

    Windows are exact, or `tiles_ms` gives the width of a tile of each, shortest window first: whole minutes, each a
    multiple of the one before. Raises ValueError where they are not.
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
            nests and fits and sum(w // t + 2 for w, t in zip(self.windows_ms, self.tiles_ms, strict=True)) <= 256
        ):
            raise ValueError(
                f"{self.name}: a tile width a window (7 at most), each a multiple of the one before, 256 tiles in all"
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
    def windows_ms(self) -> tuple[int, ...]:
        """Distinct windows, shortest first."""
        return tuple(sorted({each.window_ms for each in self.features if each.window_ms}))
