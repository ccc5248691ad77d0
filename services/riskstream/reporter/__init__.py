"""The reporter. Consumes customer-risk.v1, and scores.v1 and alerts.v1 for control totals; produces risk-reports.v1.

Promises: the same snapshot gives the same bytes; totals that do not equal the reporter's own counts of scores and
alerts are said to be unreconciled, window by window.
"""
