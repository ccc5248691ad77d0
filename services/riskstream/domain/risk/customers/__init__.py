"""States of many customers in flat arrays, which kernels update."""
