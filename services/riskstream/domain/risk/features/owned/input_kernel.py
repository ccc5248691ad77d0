"""The kernel of what is read from a transaction itself."""

import numpy as np

from riskstream.domain.risk.features.owned.kernel import OUTS
from riskstream.runtime.durations import DAY_MS, HOUR_MS
from riskstream.runtime.kernel import kernel

_SIGNATURE = (
    "void(int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], uint8[::1], "
    "int32[::1], {out})"
)


@kernel(*(_SIGNATURE.replace("{out}", each) for each in OUTS))
def input_kernel(n, amounts, times, kinds, channels, mccs, mcc_nulls, program, out):  # type: ignore[no-untyped-def]
    """Fill out[i, :len(program)] with the transaction's own values, by declare.Input."""
    least = min(len(amounts), len(times), len(kinds), len(channels), len(mccs), len(mcc_nulls))
    for i in range(min(n, len(out), least)):
        for f in range(min(len(program), out.shape[1])):
            which = program[f]
            if which == 0:
                value = np.float64(amounts[i])
            elif which == 1:
                value = np.float64((times[i] // HOUR_MS) % 24)
            elif which == 2:
                # 1970-01-01 was a Thursday; Monday is 0
                value = np.float64((times[i] // DAY_MS + 3) % 7)
            elif which == 3:
                value = np.float64(kinds[i])
            elif which == 4:
                value = np.float64(channels[i])
            elif which == 6:
                value = np.float64((times[i] // DAY_MS + 3) % 7 >= 5)
            elif which == 7:
                value = np.float64((times[i] // HOUR_MS) % 24 <= 6)
            else:
                value = np.float64(np.nan) if mcc_nulls[i] else np.float64(mccs[i])
            out[i, f] = value
