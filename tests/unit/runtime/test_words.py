"""Numbers with their nouns."""

from riskstream.runtime.words import count_of


def test_one_of_a_thing_has_no_plural() -> None:
    assert [count_of(n, "dead letter") for n in (0, 1, 2, 1500)] == [
        "0 dead letters",
        "1 dead letter",
        "2 dead letters",
        "1,500 dead letters",
    ]
