"""The scorer. Consumes transactions.v1; produces scores.v1 and transactions.v1.dlq.

Promises one accepted score for each record, rejected and repeated ones too, in source order, at the
same partition number; the state behind it is in Redis and never ahead of what was answered.
"""
