"""The gateway. Serves HTTP; produces transactions.v1, labels.v1 and answers.v1; consumes scores.v1,
rules.v1 and lists.v1.

Promises: 202 only once the broker has the record; a decision within its deadline, by the score or
by the ladder, and a record of what was answered; nothing reaches Kafka of a request it refused.
"""
