"""Replay of a file: its rows become transactions and labels, interleaved by the time each becomes
known.
"""
