"""The sole user of confluent_kafka: clients with the product's settings, the reader's rule, the
lane, topics.
"""
