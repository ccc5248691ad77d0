"""The trainer: from a file of transactions with labels to a model folder. Features by the lane's
own kernel.
"""
