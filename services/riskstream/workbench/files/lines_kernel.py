"""A kernel that follows quotes and line ends through the bytes of a CSV file: where records begin,
and where a quote is wrong.
"""

import numpy as np
from numba import njit

from riskstream.runtime.kernel import kernel

MODE, LINE, QUOTED_SINCE, IS_AFTER_CR, WRONG_AT, SPACED_AT = range(6)
"""Places in the kernel's state, int64[6]: see `fresh_state`."""
LINE_START, FIELD_START, PLAIN, QUOTED, QUOTE_SEEN, SPACE_SEEN = range(6)
_CR, _LF, _SPACE = 13, 10, 32
_U8 = "Array(uint8, 1, 'C', readonly=True)"


def fresh_state(line: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """MODE; LINE: the line that is being read; QUOTED_SINCE: where the open quote began; WRONG_AT:
    line of the first quoted text that goes on behind its closing quote, 0 where none does;
    SPACED_AT: of the first field that begins with spaces and a quote.
    """
    return np.array([LINE_START, line, 0, 0, 0, 0], np.int64)


def fresh_space_state() -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The state of `spaces_kernel`: its mode."""
    return np.array([LINE_START], np.int64)


@njit(inline="always")
def _ends_line(state, byte):  # type: ignore[no-untyped-def]
    """True where the byte ends a line; the second one of CR LF does not end another."""
    if byte == _LF and state[IS_AFTER_CR]:
        state[IS_AFTER_CR] = 0
        return False
    state[IS_AFTER_CR] = byte == _CR
    if byte == _CR or byte == _LF:
        state[LINE] += 1
        return True
    return False


@kernel(f"int64({_U8}, int64, int64, int64[::1], int64[::1])")
def lines_kernel(data, separator, quote, state, starts):  # type: ignore[no-untyped-def]
    """How many records begin in `data`, their lines in `starts`; -1 where it has no room for one a
    byte. `quote` -1: no character quotes.

    Empty lines are no records. Quotes count where a field begins alone, as in RFC 4180.
    """
    if len(starts) < len(data):
        return -1
    count = 0
    for i in range(len(data)):
        byte = np.int64(data[i])
        mode = state[MODE]
        line = state[LINE]
        if byte == _LF and state[IS_AFTER_CR]:
            state[IS_AFTER_CR] = 0
            continue
        is_end = _ends_line(state, byte)
        if mode == QUOTED:
            if byte == quote:
                state[MODE] = QUOTE_SEEN
            continue
        if is_end:
            state[MODE] = LINE_START
            continue
        if mode == LINE_START:
            starts[count] = line
            count += 1
            mode = FIELD_START
        if byte == separator:
            state[MODE] = FIELD_START
        elif mode == FIELD_START and byte == quote:
            state[MODE] = QUOTED
            state[QUOTED_SINCE] = line
        elif mode == QUOTE_SEEN and byte == quote:
            state[MODE] = QUOTED
        else:
            if mode == QUOTE_SEEN and state[WRONG_AT] == 0:
                state[WRONG_AT] = state[QUOTED_SINCE]
            if mode == SPACE_SEEN and byte == quote and state[SPACED_AT] == 0:
                state[SPACED_AT] = line
            is_blank = byte == _SPACE and (mode == FIELD_START or mode == SPACE_SEEN)
            state[MODE] = SPACE_SEEN if is_blank else PLAIN
    return count


@kernel(f"int64({_U8}, int64, int64, int64[::1], uint8[::1])")
def spaces_kernel(data, separator, quote, state, out):  # type: ignore[no-untyped-def]
    """`data` without the space behind each separator that no quotes hold, in `out`: how many bytes;
    -1 where it has no room for all.
    """
    if len(out) < len(data):
        return -1
    count = 0
    for i in range(len(data)):
        byte = np.int64(data[i])
        mode = state[MODE]
        if mode == FIELD_START and byte == _SPACE:
            state[MODE] = SPACE_SEEN
            continue
        out[count] = byte
        count += 1
        is_begin = mode == FIELD_START or mode == SPACE_SEEN or mode == LINE_START
        if mode == QUOTED:
            state[MODE] = QUOTE_SEEN if byte == quote else QUOTED
        elif byte == separator:
            state[MODE] = FIELD_START
        elif byte == _CR or byte == _LF:
            state[MODE] = LINE_START
        elif byte == quote and (is_begin or mode == QUOTE_SEEN):
            state[MODE] = QUOTED
        else:
            state[MODE] = PLAIN
    return count
