"""Chaos: a seeded driver that hurts a local cluster, and a checker that compares every record with
an oracle.
"""
