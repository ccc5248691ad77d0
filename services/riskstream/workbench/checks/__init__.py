"""Checks of scores and rules against what happened: evaluation, parity, dry runs, pages."""
