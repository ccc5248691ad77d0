"""The hash of what a caller said in a transaction: equal for an honest retry, another for another
body.

Every field of the contract counts but the ids, by which a repeat is found. What is null counts
nothing, so that a field that the contract gains does not change it. Where exchange rates were
applied (`rates_version`), base amount and currency are made from the amount and may differ when it
is sent again: they do not count then.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from riskstream.domain.contracts import plan as p
from riskstream.domain.contracts.columns import Columns
from riskstream.domain.contracts.plan import Layout
from riskstream.runtime.kernel import kernel

_IDS = ("transaction_id", "customer_id")
_BY_RATES = ("base_amount_minor", "base_currency", "rates_version")
_U8 = "Array(uint8, 1, 'C', readonly=True)"


@njit(inline="always")
def _mixed(h):  # type: ignore[no-untyped-def]
    """MurmurHash3's finaliser."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@njit(inline="always")
def _eight(data, start):  # type: ignore[no-untyped-def]
    """Eight bytes as one number, little endian: one load, as the index has no sign."""
    at = np.uintp(start)
    low = np.uint64(data[at]) | np.uint64(data[at + np.uintp(1)]) << np.uint64(8)
    low |= np.uint64(data[at + np.uintp(2)]) << np.uint64(16) | np.uint64(
        data[at + np.uintp(3)]
    ) << np.uint64(24)
    high = np.uint64(data[at + np.uintp(4)]) << np.uint64(32) | np.uint64(
        data[at + np.uintp(5)]
    ) << np.uint64(40)
    high |= np.uint64(data[at + np.uintp(6)]) << np.uint64(48) | np.uint64(
        data[at + np.uintp(7)]
    ) << np.uint64(56)
    return low | high


@njit(inline="always")
def _text(data, start, length, salt):  # type: ignore[no-untyped-def]
    """Hash of a text, eight bytes at a time; the last eight may overlap those before."""
    h = salt ^ (np.uint64(length) * np.uint64(0x9E3779B97F4A7C15))
    if length < 8:
        word = np.uint64(0)
        for at in range(length):
            word = word << np.uint64(8) | np.uint64(data[np.uintp(start + at)])
        return _mixed(h ^ word)
    at = start
    while at + 8 < start + length:
        h = (h ^ _eight(data, at)) * np.uint64(0xC4CEB9FE1A85EC53)
        h ^= h >> np.uint64(32)
        at += 8
    return _mixed(h ^ _eight(data, start + length - 8))


@kernel(
    f"void(uint8[::1], {_U8}, int64[:, ::1], int32[:, ::1], int64[:, ::1], uint8[:, ::1], "
    "int64[:, ::1], int64[:, ::1],"
    "uint64[::1], uint64[::1], int64, int64[::1])"
)
def body_kernel(  # type: ignore[no-untyped-def]
    wanted, data, starts, lengths, ints, nulls, texts, numbers, text_salts, number_salts, rates, out
):
    """The hash of each wanted record, never 0; 0 of the others.

    `texts` and `numbers` are rows of (bank row, null row or -1, 1 where it counts only without
    rates); `rates` is the bank row of the rates' version.
    """
    for i in range(min(len(wanted), len(out))):
        out[i] = 0
        if not wanted[i]:
            continue
        is_rated = lengths[rates, i] > 0
        h = np.uint64(0)
        for f in range(len(texts)):
            if (texts[f, 1] >= 0 and nulls[texts[f, 1], i]) or (texts[f, 2] and is_rated):
                continue
            row = texts[f, 0]
            h += _text(data, starts[row, i], np.int64(lengths[row, i]), text_salts[f])
        for f in range(len(numbers)):
            if (numbers[f, 1] >= 0 and nulls[numbers[f, 1], i]) or (numbers[f, 2] and is_rated):
                continue
            h += _mixed(number_salts[f] ^ np.uint64(ints[numbers[f, 0], i]))
        out[i] = np.int64(_mixed(h) | np.uint64(1))


class Bodies:
    """Hashes bodies of transaction.v1, as they were decoded."""

    def __init__(self, layout: Layout) -> None:
        counted = [each for each in layout.fields if each.name not in (*_IDS, "rates_version")]
        texts = [each for each in counted if each.kind == p.TEXT]
        numbers = [each for each in counted if each.kind not in (p.TEXT, p.FLOAT, p.DOUBLE)]
        if len(texts) + len(numbers) < len(counted):
            raise ValueError("transaction.v1 has a field of a kind that body_kernel does not hash")
        self._texts, self._text_salts = _rows(texts)
        self._numbers, self._number_salts = _rows(numbers)
        self._rates = layout.field("rates_version").bank_row

    def hashes(self, columns: Columns, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """A hash of each wanted record, 0 of the others."""
        out = np.empty(len(columns), np.int64)
        body_kernel(
            wanted.view(np.uint8),
            columns.data,
            columns.starts,
            columns.lengths,
            columns.ints,
            columns.nulls,
            self._texts,
            self._numbers,
            self._text_salts,
            self._number_salts,
            self._rates,
            out,
        )
        return out


def _rows(fields: list[p.Field]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Rows for `body_kernel`, and a salt of each by its name: a field keeps it where others come
    before it.
    """
    rows = [(each.bank_row, each.null_row, int(each.name in _BY_RATES)) for each in fields]
    salts = [_salt(each.name) for each in fields]
    return np.array(rows, np.int64).reshape(-1, 3), np.array(salts, np.uint64)


def _salt(name: str) -> int:
    """64-bit FNV-1a."""
    h = 14695981039346656037
    for byte in name.encode():
        h = (h ^ byte) * 1099511628211 % 2**64
    return h
