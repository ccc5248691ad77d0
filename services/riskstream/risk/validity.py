"""The reject rules: what makes a decoded transaction no transaction. Version 1."""

from riskstream.runtime.kernel import kernel

REJECT_RULES_VERSION = 1
OK, NULL_KEY, NO_ID, KEY_DIFFERS, AMOUNT, CURRENCY, MCC, OCCURRED_AT = range(8)
REASONS = (
    "", "null_key", "no_id", "key_differs", "amount_out_of_range", "bad_currency", "bad_mcc", "occurred_at_out_of_range",
)  # fmt: skip
TEXTS = ("transaction_id", "customer_id", "currency", "base_currency")
NUMBERS = ("amount_minor", "base_amount_minor", "mcc", "occurred_at")
"""Fields in the order in which the kernel takes them."""
MAX_ID_BYTES = 256
MAX_AHEAD_MS = 300_000
MAX_AMOUNT_MINOR = 10**13

_U8 = "Array(uint8, 1, 'C', readonly=True)"


@kernel(
    f"void(uint8[::1], {_U8}, {_U8}, int64[::1], uint8[::1], int64[:, ::1], int32[:, ::1], int64[:, ::1],"
    "uint8[::1], int64[::1], uint8[::1])"
)
def validity_kernel(  # type: ignore[no-untyped-def]
    status, data, key_data, key_ends, key_nulls, starts, lengths, numbers, mcc_nulls, appended_at, out
):
    """Why each decoded record (status 0) is rejected, or OK.

    Rows of starts and lengths are those of TEXTS, rows of numbers those of NUMBERS.
    """
    for i in range(min(len(status), len(out))):
        out[i] = OK
        if status[i] != 0:
            continue
        if key_nulls[i]:
            out[i] = NULL_KEY
            continue
        if lengths[0, i] == 0 or lengths[1, i] == 0 or lengths[0, i] > MAX_ID_BYTES or lengths[1, i] > MAX_ID_BYTES:
            out[i] = NO_ID
            continue
        key_start = key_ends[i - 1] if i > 0 else 0
        same = key_ends[i] - key_start == lengths[1, i]
        if same:
            for at in range(lengths[1, i]):
                if key_data[key_start + at] != data[starts[1, i] + at]:
                    same = False
                    break
        if not same:
            out[i] = KEY_DIFFERS
            continue
        if (
            numbers[0, i] < 0 or numbers[0, i] > MAX_AMOUNT_MINOR
            or numbers[1, i] < 0 or numbers[1, i] > MAX_AMOUNT_MINOR
        ):  # fmt: skip
            out[i] = AMOUNT
            continue
        for row in (2, 3):
            if lengths[row, i] != 3:
                out[i] = CURRENCY
                break
            for at in range(starts[row, i], starts[row, i] + 3):
                if data[at] < 65 or data[at] > 90:
                    out[i] = CURRENCY
        if out[i] != OK:
            continue
        if mcc_nulls[i] == 0 and (numbers[2, i] < 0 or numbers[2, i] > 9999):
            out[i] = MCC
        elif numbers[3, i] < 0 or numbers[3, i] > appended_at[i] + MAX_AHEAD_MS:
            out[i] = OCCURRED_AT
