"""What the product knows about risk: features, decisions, windows. Pure: no I/O, no clock, no
client library.
"""
