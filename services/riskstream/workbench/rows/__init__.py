"""Rows to train on and to check by: of a file of transactions, or of what topics logged."""
