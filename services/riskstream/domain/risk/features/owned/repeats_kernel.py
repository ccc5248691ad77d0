"""The kernels that tell a repeated transaction, and remember what was answered; `repeats.py`
explains the arrays.

Each key has a ring of its transactions in the order of their arrival. An entry is two int64: the
hash of the id, and answer << 32 | body << 6 | stamp. The stamp is the hour of the key's newest
event time when the transaction arrived, modulo 64: entries that are more than 24 hours behind leave
before the stamps of any two could be confused.

A correction leaves a *mark* beside its own entry: it says of an id that it was corrected, and by
which transaction. Its first word is the id's hash under another salt; its second is MARK, the tag
of the correction (`corrections_kernel.py`) and the stamp.

A ring of more than 8 has a hash table over it, so that a busy key costs no more: twice as many
places, each the number of an entry in its ring and one, 0 where it is empty. It stands in `index`
where the ring does in `entries`, twice as far on.
"""

import numpy as np
from numba import njit

from riskstream.runtime.durations import HOUR_MS
from riskstream.runtime.kernel import kernel
from riskstream.runtime.prefetch import prefetch

MAX_IDS = 16_384
"""Most transactions of a key that are remembered; the oldest is forgotten for the next."""
FEW_IDS = 4
SCANNED = 8
"""Rings up to this capacity have no hash table: they are read through."""
KEPT_HOURS = 24
OFF, CAP, FIRST, SIZE, END, CLOCK, MARKS, WIDE = range(8)
"""Columns of `heads`: where the ring begins, its capacity, place of its oldest, how many; how many
there ever were; newest hour; how many are marks.
"""
CLASSES = 13
"""Capacities of a ring: 4, 8, … 16,384."""

LIVE, REPLAY, SKIP, REPLAY_DUPLICATE, JUDGE = 0, 1, 2, 3, 4
"""Modes: score and apply; apply a recorded good one; touch nothing; a recorded duplicate; judge and
apply, score not.
"""
GOOD, REJECTED, DUPLICATE = 1, 2, 3
"""Verdicts that the kernel gives: the index in the contract's enum Verdict."""
CONFLICT = -(2**62)
"""A prior: the id was used before, with another body."""
NOBODY = -1
AHEAD = 8
"""Records ahead for which a ring's newest entries are fetched into the cache; its head twice as
far.
"""
BODY_BITS = 26
_BODY = (1 << BODY_BITS) - 1
_STAMP = 63
MARK_AT, MARK = 54, 0x3FD
"""The upper 10 bits of a mark's second word: no answer has them, as a score is at most 1.5."""
_MARK_SALT = 0x5851F42D4C957F2D
_TAG_BITS, _TAG = 6, (1 << 37) - 1
_ANSWER = (1 << 32) - 1
_END = (1 << 30) - 1


@njit(inline="always")
def _body_of(hashed):  # type: ignore[no-untyped-def]
    """What is kept of a body's hash: 0 where it is not known, and only then."""
    return np.int64(0) if hashed == 0 else max((hashed >> 38) & _BODY, 1)


@njit(inline="always")
def _tag_of(hashed):  # type: ignore[no-untyped-def]
    """The tag of an id's hash: the bits of it that stand in the ring of events."""
    return (hashed & 0xFFFFF) | (((hashed >> 21) & 0x1FFFF) << 20)


@njit(inline="always")
def _is_mark(word):  # type: ignore[no-untyped-def]
    """Whether this is the second word of a mark."""
    return (word >> MARK_AT) & 0x3FF == MARK


@njit(inline="always")
def _class_of(cap):  # type: ignore[no-untyped-def]
    """Which of the free lists holds blocks of `cap` entries."""
    at = 0
    while (FEW_IDS << at) < cap:
        at += 1
    return at


@njit(inline="always")
def _place_of(entries, index, off, cap, name):  # type: ignore[no-untyped-def]
    """Where in the hash table of a ring an id stands, or the empty place where it would."""
    mask = 2 * cap - 1
    at = name & mask
    while index[2 * off + at] != 0 and entries[off + index[2 * off + at] - 1, 0] != name:
        at = (at + 1) & mask
    return at


@njit(inline="always")
def _find(heads, entries, index, s, name):  # type: ignore[no-untyped-def]
    """The entry of an id among those of a key, -1 where there is none."""
    off = np.int64(heads[s, OFF])
    cap = np.int64(heads[s, CAP])
    if cap > SCANNED:
        number = np.int64(index[2 * off + _place_of(entries, index, off, cap, name)])
        return off + number - 1 if number > 0 else np.int64(-1)
    place = np.int64(heads[s, FIRST])
    for _ in range(heads[s, SIZE]):
        if entries[off + place, 0] == name:
            return off + place
        place = (place + 1) & (cap - 1)
    return np.int64(-1)


@njit(inline="always")
def _leave(heads, entries, index, s):  # type: ignore[no-untyped-def]
    """Let the oldest entry of a key go. In the hash table what stands behind its place moves up."""
    off = np.int64(heads[s, OFF])
    cap = np.int64(heads[s, CAP])
    if _is_mark(entries[off + heads[s, FIRST], 1]):
        heads[s, MARKS] -= 1
    if cap > SCANNED:
        mask = 2 * cap - 1
        hole = _place_of(entries, index, off, cap, entries[off + heads[s, FIRST], 0])
        at = (hole + 1) & mask
        while index[2 * off + at] != 0:
            home = entries[off + index[2 * off + at] - 1, 0] & mask
            if ((at - home) & mask) >= ((at - hole) & mask):
                index[2 * off + hole] = index[2 * off + at]
                hole = at
            at = (at + 1) & mask
        index[2 * off + hole] = 0
    heads[s, FIRST] = (heads[s, FIRST] + 1) & (cap - 1)
    heads[s, SIZE] -= 1


@njit(inline="always")
def _fill(heads, entries, index, s):  # type: ignore[no-untyped-def]
    """Make the hash table of a key again, where its ring has one."""
    off = np.int64(heads[s, OFF])
    cap = np.int64(heads[s, CAP])
    if cap <= SCANNED:
        return
    for at in range(2 * cap):
        index[2 * off + at] = 0
    for k in range(heads[s, SIZE]):
        place = (heads[s, FIRST] + k) & (cap - 1)
        index[2 * off + _place_of(entries, index, off, cap, entries[off + place, 0])] = place + 1


@njit(inline="always")
def _forget(heads, entries, index, s, hour):  # type: ignore[no-untyped-def]
    """Move a key's clock on, and let go of what came more than a day before."""
    clock = np.int64(heads[s, CLOCK])
    if hour <= clock:
        return
    while heads[s, SIZE] > 0:
        oldest = entries[np.int64(heads[s, OFF]) + heads[s, FIRST], 1]
        if ((clock - oldest) & _STAMP) + hour - clock <= KEPT_HOURS:
            break
        _leave(heads, entries, index, s)
    heads[s, CLOCK] = hour


@njit(inline="always")
def _make_room(heads, entries, index, entries_used, frees, s, more):  # type: ignore[no-untyped-def]
    """Room for one or two more entries of a key; False, and nothing done, where `entries` have
    none.
    """
    cap = np.int64(heads[s, CAP])
    if heads[s, SIZE] + more <= cap:
        return True
    if cap >= MAX_IDS:
        while heads[s, SIZE] + more > cap:
            _leave(heads, entries, index, s)
        return True
    wide = max(2 * cap, FEW_IDS)
    kind = _class_of(wide)
    fresh = frees[kind]
    if fresh >= 0:
        frees[kind] = entries[fresh, 0]
    elif entries_used[0] + wide <= len(entries) and 2 * (entries_used[0] + wide) <= len(index):
        fresh = entries_used[0]
        entries_used[0] += wide
    else:
        return False
    for k in range(heads[s, SIZE]):
        place = heads[s, OFF] + ((heads[s, FIRST] + k) & (cap - 1))
        entries[fresh + k, 0] = entries[place, 0]
        entries[fresh + k, 1] = entries[place, 1]
    if cap > 0:  # given back: its first entry holds the next free block of its size
        kind = _class_of(cap)
        entries[heads[s, OFF], 0] = frees[kind]
        frees[kind] = heads[s, OFF]
    heads[s, OFF] = fresh
    heads[s, CAP] = wide
    heads[s, FIRST] = 0
    _fill(heads, entries, index, s)
    return True


@njit(inline="always")
def _add(heads, entries, index, s, name, word):  # type: ignore[no-untyped-def]
    """Put an entry behind the newest of a key; `_make_room` before."""
    cap = np.int64(heads[s, CAP])
    off = np.int64(heads[s, OFF])
    place = (heads[s, FIRST] + heads[s, SIZE]) & (cap - 1)
    entries[off + place, 0] = name
    entries[off + place, 1] = word
    if cap > SCANNED:
        at = 2 * off + _place_of(entries, index, off, cap, name)
        index[at] = place + 1
    heads[s, SIZE] += 1
    heads[s, END] = (heads[s, END] + 1) & _END


@njit(inline="always")
def _standing(heads, entries, index, s, name):  # type: ignore[no-untyped-def]
    """(entry of the mark of an id, tag of what stands in its place); (-1, -1) where it was not
    corrected.
    """
    if heads[s, MARKS] == 0:
        return np.int64(-1), np.int64(-1)
    found = _find(heads, entries, index, s, name ^ _MARK_SALT)
    if found < 0:
        return np.int64(-1), np.int64(-1)
    return found, (entries[found, 1] >> _TAG_BITS) & _TAG


@njit(inline="always")
def _marked(tag, stamp):  # type: ignore[no-untyped-def]
    """The second word of a mark."""
    return (np.int64(MARK) << MARK_AT) | (tag << _TAG_BITS) | stamp


@njit(inline="always")
def _restand(heads, entries, s, before, tag):  # type: ignore[no-untyped-def]
    """Let a transaction stand wherever the one with the tag `before` stood."""
    for k in range(heads[s, SIZE]):
        place = np.int64(heads[s, OFF]) + ((heads[s, FIRST] + k) & (heads[s, CAP] - 1))
        word = entries[place, 1]
        if _is_mark(word) and (word >> _TAG_BITS) & _TAG == before:
            entries[place, 1] = _marked(tag, word & _STAMP)


@kernel(
    "int64(int64, int64, int32[::1], int64[::1], uint64[::1], uint64[::1], int64[::1], "
    "int64[::1], int64[::1], uint8[::1],"
    "uint8[::1], int64[::1], int32[:, ::1], int64[:, ::1], int16[::1], int64[::1], "
    "int64[::1], int32[::1], int64[::1],"
    "int64[::1], uint8[::1])",
    allocates=False,
)
def repeats_kernel(  # type: ignore[no-untyped-def]
    first,
    n,
    slots,
    times,
    ids,
    corrects,
    bodies,
    answers,
    offsets,
    modes,
    verdicts,
    ats,
    heads,
    entries,
    index,
    entries_used,
    frees,
    places,
    priors,
    takes,
    is_corrected,
):
    """The verdict of each record that is to be applied; good ones are remembered. The record at
    which it stopped, or n.

    It stops before a record for which `entries` have no room: give room and go on there. `bodies`:
    a hash, 0 where it is not known, which is equal to any. `answers`: of replayed good ones what
    was answered, 0 where it is not known. `corrects`: the hash of the id that each corrects, 0
    where none.

    Out: `places` of each good one (-1 else), for `answer_kernel`. `priors` of each repeat: what its
    original was answered; 0 where that is not known; -1 - row where the original is a row of this
    batch. CONFLICT where the id was used with another body: its verdict is REJECTED, and its mode
    becomes SKIP. Zeros at first, and set where it applies: `is_corrected`, 1 for a new transaction
    whose correction came before it; `takes`, 1 + the tag of the event whose place a correction
    takes, or NOBODY where it was corrected itself before it came. -1 where an array is shorter than
    n, or a slot is not there.
    """
    least = min(
        len(slots),
        len(times),
        len(ids),
        len(bodies),
        len(answers),
        len(offsets),
        len(modes),
        len(verdicts),
    )
    least = min(least, len(corrects), len(places), len(priors), len(takes), len(is_corrected))
    if n > least or heads.shape[1] < WIDE or len(frees) < CLASSES:
        return -1
    room = min(len(ats), len(heads))
    for i in range(first, n):
        if i + 2 * AHEAD < n and modes[i + 2 * AHEAD] != SKIP:
            prefetch(heads, np.int64(slots[i + 2 * AHEAD]))
        if i + AHEAD < n and modes[i + AHEAD] != SKIP and 0 <= slots[i + AHEAD] < room:
            s = slots[i + AHEAD]
            off = np.int64(heads[s, OFF])
            cap = np.int64(heads[s, CAP])
            prefetch(entries, off + heads[s, FIRST])
            prefetch(entries, off + ((heads[s, FIRST] + heads[s, SIZE]) & (cap - 1)))
            if cap > SCANNED:
                prefetch(index, 2 * off + (np.int64(ids[i + AHEAD]) & (2 * cap - 1)))
        places[i] = -1
        priors[i] = 0
        s = slots[i]
        if modes[i] == SKIP:
            continue
        if s < 0 or s >= room:
            return -1
        if modes[i] != LIVE and ats[s] >= offsets[i]:
            continue
        if modes[i] == REPLAY_DUPLICATE:
            verdicts[i] = DUPLICATE
            continue
        name = np.int64(ids[i])
        body = _body_of(bodies[i])
        found = _find(heads, entries, index, s, name)
        if found >= 0:  # of a replayed one too, which may have been good when its row was not read
            word = entries[found, 1]
            known = (word >> 6) & _BODY
            if known != 0 and body != 0 and known != body:
                verdicts[i] = REJECTED
                modes[i] = SKIP
                priors[i] = CONFLICT
                continue
            verdicts[i] = DUPLICATE
            priors[i] = (word >> 32) & _ANSWER
            if priors[i] == 0:  # not answered yet where it is of this batch
                mask = np.int64(heads[s, CAP]) - 1
                at = (found - heads[s, OFF] - heads[s, FIRST]) & mask
                place = (heads[s, END] - heads[s, SIZE] + at) & _END
                row = i - 1
                while row >= 0 and (slots[row] != s or places[row] != place):
                    row -= 1
                priors[i] = -1 - row if row >= 0 else 0
            continue
        _forget(heads, entries, index, s, min(max(times[i] // HOUR_MS, -_END), _END))
        verdicts[i] = GOOD
        target = np.int64(corrects[i])
        if not _make_room(heads, entries, index, entries_used, frees, s, 1 if target == 0 else 2):
            return i
        _, later = _standing(heads, entries, index, s, name)
        if later >= 0:
            is_corrected[i] = 1
        if target != 0 and later >= 0:
            takes[i] = NOBODY
        elif target != 0:
            own = _tag_of(name)
            mark, standing = _standing(heads, entries, index, s, target)
            if mark < 0:
                standing = _tag_of(target)
            takes[i] = 1 + standing
            _restand(heads, entries, s, standing, own)
            if mark < 0:
                _add(
                    heads,
                    entries,
                    index,
                    s,
                    target ^ _MARK_SALT,
                    _marked(own, heads[s, CLOCK] & _STAMP),
                )
                heads[s, MARKS] += 1
        answer = answers[i] if modes[i] == REPLAY else np.int64(0)
        places[i] = heads[s, END]
        _add(
            heads,
            entries,
            index,
            s,
            name,
            ((answer & _ANSWER) << 32) | (body << 6) | (heads[s, CLOCK] & _STAMP),
        )
    return n


@kernel("void(int64[::1], int32[::1], int32[::1], int64[::1], int32[:, ::1], int64[:, ::1])")
def answer_kernel(rows, slots, places, answers, heads, entries):  # type: ignore[no-untyped-def]
    """Note what each of these rows was answered: answers[k] of rows[k]. One that was forgotten
    meanwhile is left.
    """
    for k in range(min(len(rows), len(answers))):
        i = rows[k]
        if i < 0 or i >= min(len(places), len(slots)) or places[i] < 0:
            continue
        s = slots[i]
        if s < 0 or s >= len(heads):
            continue
        behind = (heads[s, END] - places[i]) & _END
        if behind == 0 or behind > heads[s, SIZE]:
            continue
        place = np.int64(heads[s, OFF]) + (
            (heads[s, FIRST] + heads[s, SIZE] - behind) & (heads[s, CAP] - 1)
        )
        entries[place, 1] = ((answers[k] & _ANSWER) << 32) | (entries[place, 1] & _ANSWER)


@kernel("void(int32, int32[:, ::1], int64[:, ::1], int16[::1])")
def index_kernel(slot, heads, entries, index):  # type: ignore[no-untyped-def]
    """Make the hash table of a slot whose ring was just filled."""
    if 0 <= slot < len(heads) and 2 * (np.int64(heads[slot, OFF]) + heads[slot, CAP]) <= len(index):
        _fill(heads, entries, index, slot)
