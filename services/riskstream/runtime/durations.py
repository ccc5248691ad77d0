"""Lengths of time. Kernels may take them in: numba's cache does not see a number of another file
change, and these do not.
"""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
HOUR_S, DAY_S = 3600.0, 86_400.0
