"""Features: declared once (`declare`, `standard`), computed by one kernel live, offline and in
training.
"""
