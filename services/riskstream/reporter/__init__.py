"""The reporter. Consumes customer-risk.v1, scores.v1 and alerts.v1; produces risk-reports.v1 and
report-totals.v1.

Promises: the same snapshot gives the same bytes; totals that do not equal the reporter's own counts
of scores and alerts are said to be unreconciled, window by window; a window is reported only where
every history still holds it and every score of it was counted. Counts are carried forward in
report-totals.v1, so that scores may expire. Of several reporters one works and the others stand by;
one that lost its turn cannot publish.
"""
