"""Numbers with their nouns, for lines that a person reads."""


def count_of(n: int, noun: str) -> str:
    """`1 rule`, `2 rules`, `1,500 rules`; for nouns whose plural takes an s."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
