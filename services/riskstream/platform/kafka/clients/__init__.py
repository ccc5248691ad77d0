"""Kafka clients with our settings: topics as code, producing, reading, tables."""
