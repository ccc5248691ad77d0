"""A2 and A3 of the protocol: what is known of a partition, whether it may be gone on with, and from
where. Pure.
"""

from dataclasses import dataclass

from riskstream.platform.kafka.lanes.exact.verdicts import Verdicts
from riskstream.platform.kafka.lanes.ports import Mark


@dataclass(eq=False, kw_only=True)
class Hold(Exception):
    """The partition cannot be taken up without guessing: a person decides."""

    why: str


class StateLost(Hold):
    """State is not to be had whole: the store, or the topics behind it, lost what it is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the store (`mark`), the topics (first and end offsets, `identity`) and the group
    (`committed`, 0 where it has no offset; `empty_to`: no record stands from there up to this
    offset) say of a partition; `verdicts` after `base`.

    `row_ahead`: offset of a row that was found past every answer, -1: none.
    """

    mark: Mark | None
    identity: str
    source_low: int
    source_high: int
    output_low: int
    output_high: int
    committed: int
    empty_to: int
    verdicts: Verdicts
    row_ahead: int = -1

    @property
    def stored_src(self) -> int:
        """The store's watermark (s); before the first record where it has none."""
        return self.mark.stored_src if self.mark else self.source_low - 1

    @property
    def base(self) -> int:
        """The last source offset that is either in the rows or not to be had any more."""
        return max(self.stored_src, self.source_low - 1)

    @property
    def answered(self) -> int:
        """The highest source offset that is known to be answered, -1 where none is."""
        known = [self.committed - 1, self.verdicts.highest()]
        if self.mark:
            known += [self.mark.stored_src, self.mark.rows_to]
        # all answers have expired: a row is never past them (I5)
        if self.output_low == self.output_high:
            known.append(self.row_ahead)
        return max(known)

    @property
    def known_src(self) -> int:
        """The source offset up to which outputs are known (o)."""
        return max(self.stored_src, self.answered)

    @property
    def joins_up_to(self) -> int:
        """The highest first offset of the source with which the rows lack no record of it."""
        return max(
            self.stored_src + 1, self.empty_to if self.committed <= self.stored_src + 1 else 0
        )

    @property
    def missing(self) -> int | None:
        """The last source offset after `base` that was answered, and no verdict is left of it."""
        return self.verdicts.hole(self.base, self.known_src)

    @property
    def start(self) -> int:
        """The first source offset to apply."""
        return self.base + 1

    @property
    def position(self) -> int:
        """The record before `start`, as scores tell it: readers then see whether an answer is
        missing between them.
        """
        no_record_between = self.answered >= self.base or self.empty_to >= self.start
        return min(self.answered, self.base) if no_record_between else self.base

    @property
    def is_fresh(self) -> bool:
        """Nothing was ever answered for this group."""
        return self.mark is None and self.output_high == 0 and self.committed == 0

    @property
    def _needed(self) -> int:
        """The offset in the output behind the answer to `stored_src`, which is the mark's own."""
        return self.mark.output_offset + 1 if self.mark else 0

    @property
    def may_be_answered(self) -> bool:
        """Answers after the mark's are gone, and nothing says of which records after `stored_src`:
        an answer that is left would lead back by `prev`.
        """
        return (
            self.output_low > self._needed
            and self.known_src == self.stored_src < self.source_high - 1
        )

    def refuse_guessing(self) -> None:
        """A3: Hold where the topics are not those of the store, or end before it."""
        if self.mark and self.mark.identity != self.identity:
            raise Hold(
                why=f"topics were made again or repartitioned: {self.mark.identity} before, "
                f"{self.identity} now"
            )
        output_offset = self.mark.output_offset if self.mark else 0
        if self.source_high < self.stored_src + 1 or self.output_high < output_offset:
            raise Hold(
                why=f"source ends at {self.source_high}, output at {self.output_high}: behind "
                "the store "
                f"({self.stored_src}, {output_offset})"
            )
        if self.known_src >= self.source_high:
            raise Hold(
                why=f"the source ends at {self.source_high}, but was answered up to "
                f"{self.known_src}"
            )

    def lost(self, source: str, output: str) -> str | None:
        """Why the state is not to be had whole; None where it is."""
        if self.is_fresh:
            return None
        if self.mark is None and self.source_low > 0:
            return f"the store has no watermark, and {source} begins at {self.source_low}"
        if self.source_low > self.joins_up_to:
            return f"the source begins at {self.source_low}, {self.stored_src + 1} is needed"
        if self.may_be_answered:
            return (
                f"the output begins at {self.output_low}, its records from {self._needed} are "
                "needed"
            )
        if self.missing is not None:
            return (
                f"source offset {self.missing} was answered before, but {output} does not say how"
            )
        return None

    def unanswered(self) -> int:
        """Source offsets that expired before they were answered, as far as one can tell."""
        return (
            max(0, self.start - 1 - self.answered)
            if self.mark and self.empty_to < self.start
            else 0
        )

    def certain_from(self) -> int | None:
        """The source offset from which on everything is in the rows by its verdict, where before it
        something is not.

        None where the rows of the store reach up to `start`, and every verdict after them is there.
        """
        missing = self.missing
        if missing is not None:
            return missing + 1
        if self.may_be_answered:  # perhaps by another verdict than now
            return self.source_high
        has_gap = self.source_low > (self.joins_up_to if self.mark else 0)
        return self.start if has_gap else None
