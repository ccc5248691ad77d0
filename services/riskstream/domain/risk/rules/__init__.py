"""Rules: typed expressions over a transaction, its features and its score, checked when they are
read, evaluated by column.
"""
