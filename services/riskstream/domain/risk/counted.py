"""What states and totals take of one score. Pure."""

from typing import NamedTuple


class Counted(NamedTuple):
    """One record of scores.v1: the fields that count, under the contract's names, and where it
    stands.

    `offset` and `appended_at` (ms) are those of the score's own record. Fields of a score that is
    not good are undefined behind `is_good`.
    """

    offset: int
    appended_at: int
    src: int
    prev: int
    src_appended_at: int
    is_good: bool
    """Whether its verdict is GOOD."""
    customer_id: str
    occurred_at: int
    base_amount_minor: int
    base_currency: str
    score: float | None
    """None where the model gave no number."""
    decision: str
    is_refund: bool
    corrected_at: int | None
    """Event time of the record that leaves with this one, ms; None where none does."""
    corrected_amount_minor: int
    corrected_is_refund: bool
