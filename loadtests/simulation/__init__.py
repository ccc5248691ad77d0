"""Deterministic simulation: the real lanes on Kafka in memory, a store in memory and a clock of
their own, under one scheduler.

A history is small: a few dozen records, a handful of faults. Its seed decides everything in it, so
that it can be run again.
"""
