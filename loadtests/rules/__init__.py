"""Rules: a dry run over the log, and how soon a change is in force."""
