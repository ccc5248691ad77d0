"""Trees of a model, computed by a kernel of ours: one plain form of them, their packing, rows that
try them.
"""
