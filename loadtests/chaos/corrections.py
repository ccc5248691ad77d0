"""Corrections in the load: of records sent before, of some that come later, of corrected ones, of
refunds, of nobody's.
"""

import random
from collections.abc import Iterator
from typing import Any

from riskstream.domain.contracts.codec import codec

SHARE, REFUND_SHARE, AGAIN_SHARE = 0.01, 0.2, 0.25
"""Of all records; of refunds; of corrections and their originals, those that are sent once more."""
_MINUTE_MS, _HOURS = 60_000, 20
_AHEAD = 100
Due = tuple[int, bytes, bytes]
"""A record to be sent: behind which row, its key, its frame."""


class Corrections:
    """Makes corrections of the rows of a load, each under the key of its original."""

    def __init__(
        self, rng: random.Random, keys: list[bytes], frames: list[bytes], kinds: list[str]
    ) -> None:
        self._rng, self._keys, self._frames, self._kinds = rng, keys, frames, kinds
        self._codec = codec("transaction.v1")
        self._taken: set[int] = set()
        """Rows that were corrected: each in one way."""

    def of(self, index: int) -> Iterator[Due]:
        """Corrections that come up with the row, to be sent behind it or behind later ones; none
        for most.
        """
        if self._rng.random() >= (REFUND_SHARE if self._kinds[index] == "REFUND" else SHARE):
            return
        way = self._rng.choices(
            (self._later, self._before, self._twice, self._chain, self._unknown), (8, 4, 3, 2, 2)
        )[0]
        yield from way(index)

    def _later(self, index: int) -> Iterator[Due]:
        """The original was sent long before, or a moment."""
        if self._take(index):
            original = self._said(index)
            yield from self._sent(index, self._soon(index), self._correction(original, "a"))
            if self._rng.random() < AGAIN_SHARE:
                yield self._soon(index), self._keys[index], self._frames[index]

    def _before(self, index: int) -> Iterator[Due]:
        """The original comes later: behind one correction, or behind two."""
        later = index + self._rng.randrange(1, _AHEAD)
        if later < len(self._frames) and self._take(later):
            for name in "ab"[: self._rng.randrange(1, 3)]:
                yield from self._sent(later, index, self._correction(self._said(later), name))

    def _twice(self, index: int) -> Iterator[Due]:
        """Two corrections of one original, the second in the place of the first."""
        if self._take(index):
            first, second = sorted((self._soon(index), self._soon(index)))
            yield from self._sent(index, first, self._correction(self._said(index), "a"))
            yield from self._sent(index, second, self._correction(self._said(index), "b"))

    def _chain(self, index: int) -> Iterator[Due]:
        """A correction, and a correction of that one, in any order; sometimes another one of the
        original.
        """
        if self._take(index):
            first, second = self._soon(index), self._soon(index)
            correction = self._correction(self._said(index), "a")
            yield from self._sent(index, first, correction)
            yield from self._sent(index, second, self._correction(correction, "b"))
            if self._rng.random() < AGAIN_SHARE:
                yield from self._sent(
                    index, self._soon(index), self._correction(self._said(index), "c")
                )

    def _unknown(self, index: int) -> Iterator[Due]:
        """Of a transaction that nobody ever sent."""
        nobody = {**self._said(index), "transaction_id": f"nobody-{index}"}
        yield from self._sent(index, self._soon(index), self._correction(nobody, "a"))

    def _take(self, index: int) -> bool:
        is_free = index not in self._taken
        self._taken.add(index)
        return is_free

    def _said(self, index: int) -> dict[str, Any]:
        said: dict[str, Any] = self._codec.decode(self._frames[index])
        return said

    def _soon(self, index: int) -> int:
        return index + self._rng.choice((self._rng.randrange(200), self._rng.randrange(3000)))

    def _correction(self, original: dict[str, Any], name: str) -> dict[str, Any]:
        """Another amount, soon after the original or hours later; one in ten turns a payment into a
        refund or back.
        """
        after = self._rng.choice((10, 10, _HOURS * 60)) * _MINUTE_MS
        amount = original["base_amount_minor"] + self._rng.randrange(1, 1000)
        kind = original["kind"]
        if self._rng.random() < 0.1:
            kind = "PURCHASE" if kind == "REFUND" else "REFUND"
        return {
            **original,
            "transaction_id": f"{original['transaction_id']}-{name}",
            "corrects": original["transaction_id"],
            "amount_minor": amount,
            "base_amount_minor": amount,
            "kind": kind,
            "occurred_at": original["occurred_at"] + self._rng.randrange(after),
        }

    def _sent(self, index: int, behind: int, correction: dict[str, Any]) -> Iterator[Due]:
        frame = self._codec.encode(correction)
        yield behind, self._keys[index], frame
        if self._rng.random() < AGAIN_SHARE:
            yield behind + self._rng.randrange(200), self._keys[index], frame
