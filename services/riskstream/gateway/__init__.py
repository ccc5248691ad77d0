"""The gateway. Serves HTTP; produces transactions.v1 and answers.v1; consumes scores.v1.

Promises: 202 only once the broker has the record; a decision within its deadline or 504 with the
transaction id, and a record of what was answered; nothing reaches Kafka of a request it refused.
"""
