"""The local stack: a real Kafka and a real Redis as child processes, without root and without
Docker.
"""
