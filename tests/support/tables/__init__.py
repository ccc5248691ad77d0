"""Random tables of transactions, and the ways in which people write them: what is true of each row
(`truth`), how a field is written (`ways`), and files with the mapping that says so (`formats`).
"""
