"""The whole chain under a steady load for hours: memory, handles and latency must stay flat."""
