"""`make proof`: the named schedules, the long kills, chaos; each writes build/proof/<name>.json."""
