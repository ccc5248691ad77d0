"""The domain: the contracts of messages, and risk. No I/O, no clock, no client library."""
