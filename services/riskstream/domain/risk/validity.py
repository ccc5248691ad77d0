"""The reject rules: what makes a decoded transaction no transaction. Version 3.

Ranges and lengths are the contract's (`contracts/bounds.py`). Version 2 rejects texts over their
bound, countries that are no two capital letters, and event times before 1971 (seconds, taken for
milliseconds). Version 3 rejects an id that came with another body within a day (`repeats_kernel.py`
tells it, by the customer's state), and base amounts in another currency than the installation's:
sums of two currencies mean nothing; and a transaction that corrects itself.
"""

from numba import njit

from riskstream.runtime.kernel import kernel

REJECT_RULES_VERSION = 3
(
    OK,
    NULL_KEY,
    NO_ID,
    KEY_DIFFERS,
    AMOUNT,
    CURRENCY,
    MCC,
    OCCURRED_AT,
    TEXT_TOO_LONG,
    COUNTRY,
    ID_REUSED,
    OTHER_BASE,
    CORRECTS_ITSELF,
) = range(13)
REASONS = (
    "",
    "null_key",
    "no_id",
    "key_differs",
    "amount_out_of_range",
    "bad_currency",
    "bad_mcc",
    "occurred_at_out_of_range",
    "text_too_long",
    "bad_country",
    "id_reused",
    "other_base_currency",
    "corrects_itself",
)
TEXTS = ("transaction_id", "customer_id", "currency", "base_currency", "country", "corrects")
NUMBERS = ("amount_minor", "base_amount_minor", "mcc", "occurred_at")
"""Fields in the order in which the kernel takes them."""
MAX_AHEAD_MS = 300_000
_U8 = "Array(uint8, 1, 'C', readonly=True)"


@njit(inline="always")
def _are_equal(data, starts, lengths, one, other, i):  # type: ignore[no-untyped-def]
    """Whether two texts of a record are the same."""
    if lengths[one, i] != lengths[other, i]:
        return False
    for at in range(lengths[one, i]):
        if data[starts[one, i] + at] != data[starts[other, i] + at]:
            return False
    return True


@njit(inline="always")
def _are_capitals(data, start, count):  # type: ignore[no-untyped-def]
    for at in range(start, start + count):  # noqa: SIM110  numba takes no generator
        if data[at] < 65 or data[at] > 90:
            return False
    return True


@kernel(
    f"void(uint8[::1], {_U8}, {_U8}, int64[::1], uint8[::1], int64[:, ::1], int32[:, ::1], "
    "int64[::1], int64[::1],"
    "int64[:, ::1], int64[::1], int64[:, ::1], uint8[::1], int64[::1], uint8[::1], uint8[::1])"
)
def validity_kernel(  # type: ignore[no-untyped-def]
    status,
    data,
    key_data,
    key_ends,
    key_nulls,
    starts,
    lengths,
    texts,
    limits,
    ints,
    numbers,
    ranges,
    mcc_nulls,
    appended_at,
    base,
    out,
):
    """Why each decoded record (status 0) is rejected, or OK.

    `starts`, `lengths` and `ints` are the columns' banks; `texts` and `numbers` the rows of TEXTS
    and NUMBERS in them. `limits`: most bytes of each row of texts; `ranges` int64[NUMBERS, (least,
    most)]; `base`: the three letters of base_currency.
    """
    transaction, customer, country = texts[0], texts[1], texts[4]
    for i in range(
        min(len(status), len(out), len(key_nulls), len(key_ends), len(appended_at), len(mcc_nulls))
    ):
        out[i] = OK
        if status[i] != 0:
            continue
        if key_nulls[i]:
            out[i] = NULL_KEY
            continue
        if (
            lengths[transaction, i] == 0
            or lengths[transaction, i] > limits[transaction]
            or lengths[customer, i] == 0
            or lengths[customer, i] > limits[customer]
        ):
            out[i] = NO_ID
            continue
        key_start = key_ends[i - 1] if i > 0 else 0
        same = key_ends[i] - key_start == lengths[customer, i]
        if same:
            for at in range(lengths[customer, i]):
                if key_data[key_start + at] != data[starts[customer, i] + at]:
                    same = False
                    break
        if not same:
            out[i] = KEY_DIFFERS
            continue
        for row in range(len(numbers)):
            if row == 2 and mcc_nulls[i]:
                continue
            value = ints[numbers[row], i]
            if value < ranges[row, 0] or value > ranges[row, 1]:
                out[i] = AMOUNT if row < 2 else MCC if row == 2 else OCCURRED_AT
                break
        if out[i] == OK and ints[numbers[3], i] > appended_at[i] + MAX_AHEAD_MS:
            out[i] = OCCURRED_AT
        if out[i] != OK:
            continue
        for row in texts[2:4]:
            if lengths[row, i] != 3 or not _are_capitals(data, starts[row, i], 3):
                out[i] = CURRENCY
        if out[i] != OK:
            continue
        for at in range(min(len(base), 3)):
            if data[starts[texts[3], i] + at] != base[at]:
                out[i] = OTHER_BASE
        if out[i] != OK:
            continue
        for row in range(len(limits)):
            if lengths[row, i] > limits[row]:
                out[i] = TEXT_TOO_LONG
                break
        shape = lengths[country, i]
        if (
            out[i] == OK
            and shape != 0
            and (shape != 2 or not _are_capitals(data, starts[country, i], 2))
        ):
            out[i] = COUNTRY
        if out[i] == OK and _are_equal(data, starts, lengths, transaction, texts[5], i):
            out[i] = CORRECTS_ITSELF
