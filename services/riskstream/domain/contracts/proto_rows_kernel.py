"""The kernels of `proto_rows.py`: a TransactionBatch of protobuf into banks of columns, and
receipts into bytes.

Helpers stand here for numba's cache.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

PLAIN, ODD = 0, 1
"""Of an item: read into the banks; or left to the door, which says what is wrong, if anything."""
WHOLE, TEXT, SYMBOL = 0, 1, 2
"""Kinds of fields, as `json_rows_kernel.py` has them."""
NO_BATCH, TOO_MANY = -1, -2
"""What the kernel gives in place of a count: the bytes are no batch, or have a field that it does
not; more items than room.
"""
LEAST_DIGITS = 13
"""Of a text that may hold a card number."""


@njit(inline="always")
def _varint(data, at, end):  # type: ignore[no-untyped-def]
    """(value, place behind it); place -1 where it does not end in time, or has over 64 bits."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < 70:
        byte = np.uint64(data[at])
        at += 1
        if shift == 63 and byte > 1:
            break
        value |= (byte & np.uint64(127)) << shift
        if byte < 128:
            return value, at
        shift += np.uint64(7)
    return value, np.int64(-1)


@njit(inline="always")
def _length(data, at, end):  # type: ignore[no-untyped-def]
    """(bytes of what follows, its place); place -1 where it would end behind `end`."""
    size, at = _varint(data, at, end)
    if at < 0 or size > np.uint64(end - at):
        return np.int64(0), np.int64(-1)
    return np.int64(size), at


@njit(inline="always")
def _digits(data, at, size, is_capitals):  # type: ignore[no-untyped-def]
    """How many digits a text has; -1 where it is not ASCII, or has another character than capital
    letters and may not.
    """
    count = 0
    for step in range(size):
        byte = data[at + step]
        if byte > 127 or (is_capitals and not 65 <= byte <= 90):
            return np.int64(-1)
        if 48 <= byte <= 57:
            count += 1
    return np.int64(count)


@njit(inline="always")
def _number(data, at, end, field, row, fields, codes, ints):  # type: ignore[no-untyped-def]
    """Behind a number or symbol, which goes into its bank; -1 where it is odd."""
    raw, at = _varint(data, at, end)
    if at < 0:
        return at
    value, bank = np.int64(raw), fields[field, 1]
    if fields[field, 0] == WHOLE:
        if value < fields[field, 3] or value > fields[field, 4]:
            return np.int64(-1)
        ints[bank, row] = value
        return at
    if value < 0 or value >= codes.shape[1] or codes[field, value] < 0:
        return np.int64(-1)
    ints[bank, row] = codes[field, value]
    return at


@njit
def _item(  # type: ignore[no-untyped-def]
    data, at, end, row, by_number, fields, codes, ints, starts, lengths, texts, told
):
    """Bits of the fields that the message from `at` to `end` gives; 0 where it is odd."""
    has = np.uint64(0)
    while at < end:
        tag, at = _varint(data, at, end)
        number = np.int64(tag >> np.uint64(3))
        if at < 0 or number < 0 or number >= len(by_number) or by_number[number] < 0:
            return np.uint64(0)
        field, wire = by_number[number], tag & np.uint64(7)
        bit = np.uint64(1) << np.uint64(field)
        if has & bit or wire != (2 if fields[field, 0] == TEXT else 0):
            return np.uint64(0)
        if wire == 0:
            at = _number(data, at, end, field, row, fields, codes, ints)
        else:
            size, at = _length(data, at, end)
            if at >= 0:
                if fields[field, 5] and size != fields[field, 4]:
                    return np.uint64(0)
                found = _digits(data, at, size, fields[field, 5] != 0)
                if found < 0 or size < fields[field, 3] or size > fields[field, 4]:
                    return np.uint64(0)
                starts[fields[field, 1], row] = at
                lengths[fields[field, 1], row] = np.int32(size)
                if found >= LEAST_DIGITS:
                    for step in range(size):
                        texts[told[1] + step] = data[at + step]
                    texts[told[1] + size] = 124
                    told[1] += size + 1
                at += size
        if at < 0:
            return np.uint64(0)
        has |= bit
    return has


@kernel(
    "int64(uint8[::1], int64[::1], int64[:,::1], int64[:,::1], uint64, int64[:,::1],"
    " int64[:,::1], int32[:,::1], uint64[::1], uint8[::1], int64[::1], int64[::1], uint8[::1],"
    " int64[::1])",
    allocates=False,
    nogil=True,
)
def proto_rows_kernel(  # type: ignore[no-untyped-def]
    data,
    by_number,
    fields,
    codes,
    needed,
    ints,
    starts,
    lengths,
    given,
    status,
    begins,
    ends,
    texts,
    told,
):
    """How many items the batch in `data` has, each of them read; NO_BATCH, TOO_MANY.

    `by_number`: the field of each number, or -1. `fields` as `json_rows_kernel`'s; `codes`
    int64[fields, numbers]: of a symbol's number its code, or -1. `texts`, as long as `data`, gets
    the texts with many digits; `told` int64[2] the batch's sequence, and how long they are.
    """
    end = np.int64(len(data))
    at, row = np.int64(0), np.int64(0)
    while at < end:
        tag, at = _varint(data, at, end)
        if at < 0:
            return NO_BATCH
        if tag == 8:
            raw, at = _varint(data, at, end)
            if at < 0:
                return NO_BATCH
            told[0] = np.int64(raw)
            continue
        if tag != 18:
            return NO_BATCH
        size, at = _length(data, at, end)
        if at < 0:
            return NO_BATCH
        if row == len(status):
            return TOO_MANY
        has = _item(
            data, at, at + size, row, by_number, fields, codes, ints, starts, lengths, texts, told
        )
        status[row] = PLAIN if has and (has & needed) == needed else ODD
        given[row] = has
        begins[row] = at
        at += size
        ends[row] = at
        row += 1
    return row


@njit(inline="always")
def _put(out, at, value):  # type: ignore[no-untyped-def]
    """Behind a varint."""
    rest = np.uint64(value)
    while rest >= 128:
        out[at] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


RECEIPT_BYTES = 26
"""Most bytes of a receipt without a problem, in its batch: two tags and lengths, two numbers."""


@kernel("int64(int64[:,::1], uint8[::1])", allocates=False)
def receipts_kernel(places, out):  # type: ignore[no-untyped-def]
    """Bytes of the receipts of `places` int64[n, 2] (partition, offset), each in its batch; -1
    where `out` has no room for n * RECEIPT_BYTES.
    """
    if len(out) < len(places) * RECEIPT_BYTES:
        return np.int64(-1)
    at = np.int64(0)
    for row in range(len(places)):
        out[at], begin = 34, at + 2  # field 4 of ReceiptBatch; the length is below 128
        out[begin] = 8
        stop = _put(out, begin + 1, places[row, 0])
        out[stop] = 16
        stop = _put(out, stop + 1, places[row, 1])
        out[at + 1] = stop - begin
        at = stop
    return at
