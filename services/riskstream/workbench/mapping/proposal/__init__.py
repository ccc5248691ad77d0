"""Proposes a mapping for a file that nobody has described: each column by its name and its values,
with the reason. What cannot be told is asked, and marked unsure.
"""
