"""The simulator: customers and terminals with habits, six kinds of attack, labels that arrive late.
Pure numpy, seeded.
"""
