"""`riskstream features` beside pandas."""
