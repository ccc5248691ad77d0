"""What a scorer does with records that cannot be scored, whichever runtime it has: each answered
and dead-lettered once.
"""

import json

from riskstream.domain.contracts.codec import codec
from tests.support.builders import frame
from tests.support.vectors import feature
from tests.support.world import PARTITIONS, World

FUTURE_MS = 4_000_000_000_000


def poisons(tag: str) -> list[tuple[str, bytes | None, bytes | None]]:
    """(reason, key, value) of every kind of bad record."""
    key = f"c-{tag}".encode()
    good = frame(customer_id=f"c-{tag}", transaction_id=f"p-{tag}")
    return [
        ("empty", key, b""),
        ("empty", key, None),
        ("short", key, b"\0"),
        ("short", key, b"\0\0"),
        ("short", key, b"\0\0\0"),
        ("short", key, b"\0\0\0\0"),
        ("bad_magic", key, b"\1" + good[1:]),
        ("bad_magic", key, json.dumps({"transaction_id": "t"}).encode()),
        ("unknown_schema", key, b"\0\0\0\0\7" + good[5:]),
        (
            "unknown_schema",
            key,
            codec("label.v1").encode(
                {
                    "label_id": "l",
                    "transaction_id": "t",
                    "customer_id": "c",
                    "outcome": "FRAUD",
                    "occurred_at": 1,
                    "known_at": 2,
                }
            ),
        ),
        ("truncated", key, good[:-3]),
        ("truncated", key, good[:5]),
        ("trailing_bytes", key, good + b"\0"),
        ("bad_text", key, good.replace(b"tok-1", b"tok\xff1")),
        ("null_key", None, good),
        ("key_differs", b"somebody", good),
        ("no_id", b"", frame(customer_id="", transaction_id="x")),
        ("no_id", key, frame(customer_id=f"c-{tag}", transaction_id="")),
        ("amount_out_of_range", key, frame(customer_id=f"c-{tag}", amount_minor=-1)),
        ("amount_out_of_range", key, frame(customer_id=f"c-{tag}", base_amount_minor=10**13 + 1)),
        ("bad_currency", key, frame(customer_id=f"c-{tag}", currency="eur")),
        ("bad_mcc", key, frame(customer_id=f"c-{tag}", mcc=10_000)),
        ("occurred_at_out_of_range", key, frame(customer_id=f"c-{tag}", occurred_at=FUTURE_MS)),
        ("occurred_at_out_of_range", key, frame(customer_id=f"c-{tag}", occurred_at=-1)),
        ("bad_magic", key, b"x" * 1_030_000),
        ("short", b"k" * 1_030_000, b"junk"),
        ("too_large", key, frame(customer_id=f"c-{tag}", terminal_id="T" * 520_000)),
        ("text_too_long", key, frame(customer_id=f"c-{tag}", terminal_id="T" * 257)),
    ]


def every_bad_record_is_dead_lettered_once_and_those_around_it_are_scored(world: World) -> None:
    bad = poisons(world.tag)
    rows: list[tuple[bytes | None, bytes | None]] = []
    for number, (_, key, value) in enumerate(bad):
        customer = f"good-{world.tag}-{number % 7}"
        rows += [
            (
                customer.encode(),
                frame(customer_id=customer, transaction_id=f"g-{world.tag}-{number}"),
            ),
            (key, value),
        ]
    world.send(rows)
    accepted = world.accepted(len(rows))
    scores = [each.score for each in accepted]
    assert sorted(str(score.reason) for score in scores if score.verdict == "REJECTED") == sorted(
        r for r, _, _ in bad
    )
    good = [score for score in scores if score.verdict == "GOOD"]
    assert sorted(str(score.transaction_id) for score in good) == sorted(
        f"g-{world.tag}-{n}" for n in range(len(bad))
    )
    for score in scores:
        if score.verdict == "REJECTED":
            empty = (
                score.transaction_id,
                score.customer_id,
                score.decision,
                score.score,
                score.model_version,
            )
            assert empty == (None,) * 5
            assert score.features == ()
    letters = world.new("transactions.v1.dlq", len(bad))
    assert len(world.all_new("transactions.v1.dlq")) == len(bad)
    places = {
        (record.partition, score.src): score.reason
        for record, score in accepted
        if score.verdict == "REJECTED"
    }
    originals = sorted((reason, key or b"", value or b"") for reason, key, value in bad)
    found = []
    for letter in letters:
        headers = {name: (value or b"").decode() for name, value in letter.headers}
        place = (int(headers["riskstream-partition"]), int(headers["riskstream-offset"]))
        assert headers["riskstream-topic"] == "transactions.v1"
        assert headers["riskstream-reason"] == places[place]
        assert headers["riskstream-detail"]
        assert letter.partition == place[0]
        found.append((headers["riskstream-reason"], letter.key or b"", letter.value or b""))
    assert sorted(found) == originals


def a_rejected_record_raises_no_alert_and_no_state(world: World) -> None:
    world.send([(key, value) for _, key, value in poisons(world.tag)])
    world.scores(len(poisons(world.tag)))
    world.wait_for_tracker()
    assert [
        record for record in world.all_new("alerts.v1") if world.tag.encode() in (record.key or b"")
    ] == []


def a_repeated_transaction_id_is_a_duplicate_and_changes_nothing(
    world: World, count: int = 3
) -> None:
    customer = f"dup-{world.tag}"
    one = frame(customer_id=customer, transaction_id=f"a-{world.tag}")
    two = frame(customer_id=customer, transaction_id=f"b-{world.tag}")
    world.send([(customer.encode(), value) for value in [one] * count + [two]])
    scores = world.scores(count + 1)
    assert [score.verdict for score in scores] == ["GOOD"] + ["DUPLICATE"] * (count - 1) + ["GOOD"]
    assert (
        feature(scores[-1], "customer_count_10m") == 2
    )  # two transactions within 10 minutes, not four


def a_record_in_another_partition_than_its_keys_is_scored_and_flagged(world: World) -> None:
    customer = f"mis-{world.tag}"
    frames = [
        frame(customer_id=customer, transaction_id=f"{world.tag}-{number}")
        for number in range(PARTITIONS)
    ]
    for number, value in enumerate(frames):
        world.send_to(number, customer.encode(), value)
    scores = world.scores(PARTITIONS)
    assert {score.verdict for score in scores} == {"GOOD"}
    assert sorted(score.flags for score in scores) == [(), *[("misplaced",)] * (PARTITIONS - 1)]


BEHAVIOURS = (
    every_bad_record_is_dead_lettered_once_and_those_around_it_are_scored,
    a_rejected_record_raises_no_alert_and_no_state,
    a_repeated_transaction_id_is_a_duplicate_and_changes_nothing,
    a_record_in_another_partition_than_its_keys_is_scored_and_flagged,
)
