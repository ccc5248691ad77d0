"""What a mapping declares: where each field of the contracts comes from, and how its values are
written.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from riskstream.domain.risk.features.declare import LABEL_DELAY_MS
from riskstream.domain.risk.rules.expression import Computation
from riskstream.runtime.durations import DAY_MS, HOUR_MS, MINUTE_MS
from riskstream.workbench.files.rows import Layout

UNITS_MS = {
    "ns": Decimal("0.000001"),
    "us": Decimal("0.001"),
    "ms": Decimal(1),
    "s": Decimal(1000),
    "min": Decimal(MINUTE_MS),
    "h": Decimal(HOUR_MS),
    "d": Decimal(DAY_MS),
}
"""Units of times that are numbers, in ms."""
DELAY_DAYS = LABEL_DELAY_MS // DAY_MS
KNOWN_AT = "label_known_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How numbers are written. `decimal` "": a point, where it cannot be taken for a thousands
    separator. `symbol`: stands before or behind, and is left out.
    """

    decimal: str = ""
    thousands: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How times are written: texts by `format` (strptime's letters; "": ISO 8601) in `zone` where
    they name none; numbers in `unit` since `start_ms`.
    """

    format: str = ""
    zone: str = "UTC"
    unit: str = ""
    start_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """An expression of the rules' language. `columns`: (name in it, column of the file)."""

    what: Computation
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a field comes from: `columns` (several are joined by a space), one `value` for all
    rows, the number of the row (`is_row`), or what is `computed` from the columns.

    `scale`: a number of the file times this is the field's; `is_major`: times the minor units of
    the row's currency instead. `is_rounded`: what is left behind the point is rounded, or cut where
    `is_cut`; else it is refused. `is_minor`: a text like 10.00 is of major units, and refused too.
    `negative`: the kind of rows whose amount is below zero. `values`: what words of the file mean;
    `empty`: words that mean nothing; `is_integer`: numbers with a point are whole;
    `is_trimmed`: spaces around a text are none of it.
    """

    columns: tuple[str, ...] = ()
    value: Any = None
    is_row: bool = False
    computed: Computed | None = None
    prefix: str = ""
    scale: Decimal = Decimal(1)
    is_major: bool = False
    is_rounded: bool = False
    is_cut: bool = False
    is_minor: bool = False
    is_integer: bool = False
    is_trimmed: bool = False
    negative: str = ""
    written: Written = Written()
    clock: Clock = Clock()
    values: tuple[tuple[str, Any], ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def is_constant(self) -> bool:
        return not self.columns and not self.is_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """`fields` of the transaction by name; for the label a fraud column, and a known-at source or a
    delay.

    `left_empty`: fields that were looked for by the contract's own name and are not in the file.
    `absent`: names that no row of it may have for that, those of labels among them. `layout`: how
    the file is written.

    `labels`: fields of label.v1 by name, where the file holds labels alone and no transactions.
    """

    fields: dict[str, Source]
    labels: dict[str, Source] = field(default_factory=dict)
    is_fraud: Source | None = None
    known_at: Source | None = None
    delay_ms: int = LABEL_DELAY_MS
    left_empty: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    layout: Layout = field(default_factory=Layout)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file that are read."""
        sources = [*self.fields.values(), self.is_fraud, self.known_at]
        used = [name for each in sources if each is not None for name in each.columns]
        return tuple(dict.fromkeys(used))
