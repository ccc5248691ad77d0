"""The profiler. Consumes transactions.v1 and labels.v1; produces profile-events.v1 and, from those,
profile-state.v1 and the compacted <entity>-risk.v1; then Redis, which is a view.

Two stages, each a consumer group of its own. The shuffle is stateless: it writes what each profiled
entity sees of a record, keyed by entity, at least once; readers drop repeats by source position.
The owner holds the profiles of its partitions of profile-events.v1; vectors, state and offsets are
one Kafka transaction, so read its topics with read_committed.
"""
