"""The lag service. Reads where consumer groups are and where topics end; produces metrics alone.

Promises that it tells how far each group is behind although every process of that group is gone: a
process that is dead tells nothing of itself. It joins no group, commits nothing and writes no
topic.
"""
