"""The tracker. Consumes scores.v1; produces alerts.v1 and the compacted customer-risk.v1.

Promises one alert for each accepted score that is not approved, and for each customer the state
after the last accepted score; outputs and offsets are one Kafka transaction, so read its topics
with read_committed. States carry their own position: a group whose offsets are lost goes on where
they stand. Scores that expired unread are said.
"""
